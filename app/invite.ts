/**
 * The invite link: `/#/shop?cluster=<id>&secret=<base64url>`, optionally with `&cart=<id>`, with `&light` for a tab that is to be a light client, with `&same-browser` when the cluster has no server, and with `&class` for a pupil or `&teach` for the teacher of a class. All of it stands in the fragment, which a browser never
 * sends: the secret reaches nobody but the page. The fragment stays in the address bar, so that a reload opens the same cluster.
 */

export interface Invite {
  /** 1 to 64 characters of a-z, A-Z, 0-9, `-` and `_`. */
  readonly cluster: string;
  /** 32 bytes in base64url. */
  readonly secret: string;
  /** A shared cart, if the link is to one. */
  readonly cart?: string;
  /** This tab shops, but keeps nothing for others. */
  readonly light?: true;
  /** Its tabs find each other in one browser, without any server; the link is of no use in another. */
  readonly sameBrowser?: true;
  /** What this tab is in a class that uses the cluster. */
  readonly class?: "pupil" | "teacher";
}

const CLUSTER = /^[A-Za-z0-9_-]{1,64}$/;
const SECRET = /^[A-Za-z0-9_-]{43}$/;
const CART = /^[a-z0-9-]{1,24}$/;
const LINK_LENGTH_MAX = 2_000;
const SECRET_BYTES = 32;

export function isCartId(text: string): boolean {
  return CART.test(text);
}

export function fragmentOf(invite: Invite): string {
  const cart = invite.cart === undefined ? "" : `&cart=${invite.cart}`;
  const light = invite.light === true ? "&light" : "";
  const place = invite.sameBrowser === true ? "&same-browser" : "";
  const role = invite.class === undefined ? "" : invite.class === "teacher" ? "&teach" : "&class";
  return `#/shop?cluster=${invite.cluster}&secret=${invite.secret}${cart}${light}${place}${role}`;
}

/** The invite in a link, a fragment, or a text around one; undefined when there is none that is whole. */
export function parseInvite(text: string): Invite | undefined {
  if (text.length > LINK_LENGTH_MAX) return undefined;
  const found = /#\/shop\?([^\s#]*)/.exec(text);
  if (found === null) return undefined;
  const fields = new URLSearchParams(found[1]);
  const cluster = fields.get("cluster") ?? "";
  const secret = fields.get("secret") ?? "";
  const cart = fields.get("cart") ?? undefined;
  if (!CLUSTER.test(cluster) || !SECRET.test(secret)) return undefined;
  const light = fields.has("light") ? ({ light: true } as const) : {};
  const place = fields.has("same-browser") ? ({ sameBrowser: true } as const) : {};
  const role = fields.has("teach")
    ? ({ class: "teacher" } as const)
    : fields.has("class")
      ? ({ class: "pupil" } as const)
      : {};
  const shared = cart !== undefined && isCartId(cart) ? { cart } : {};
  return { cluster, secret, ...shared, ...light, ...place, ...role };
}

/** A cluster that nobody has yet: both parts drawn at random. */
export function newInvite(): Invite {
  const letters = "abcdefghijkmnpqrstuvwxyz23456789";
  const drawn = crypto.getRandomValues(new Uint8Array(8));
  const cluster = `shop-${Array.from(drawn, (byte) => letters[byte % letters.length]).join("")}`;
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const secret = btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  return { cluster, secret };
}
