/**
 * What a browser remembers between visits: the invites it has opened, so that a cluster can be opened again without its link; and who shops in a tab,
 * for as long as the tab lives. Invites lie in IndexedDB, beside the clusters' data, so that the browser evicts both or neither. Storage
 * may be switched off or full: then nothing is remembered and nothing fails.
 */

import { fragmentOf, parseInvite, type Invite } from "./invite.ts";
import { KeptMap } from "./kept-map.ts";

/** By cluster; the value is the link's fragment, which is checked again when it is read. */
const invites = new KeptMap<{ readonly fragment: string; readonly atMs: number }>("tabring-shop", "invites");

/** Newest first. */
export async function rememberedInvites(): Promise<readonly Invite[]> {
  const known = (await invites.all()).map(([, value]) => value);
  return known.sort((a, b) => b.atMs - a.atMs).flatMap(({ fragment }) => parseInvite(fragment) ?? []);
}

/** What of the link is about the cluster, and not about one tab. */
export function rememberInvite({ cluster, secret, sameBrowser }: Invite): Promise<void> {
  const fragment = fragmentOf({ cluster, secret, ...(sameBrowser && { sameBrowser }) });
  return invites.keep(cluster, { fragment, atMs: Date.now() });
}

export function forgetInvite(cluster: string): Promise<void> {
  return invites.forget(cluster);
}

/** Of this tab, in this cluster: `shopper`, `cart`, or `founding` (this tab is about to make the cluster, and must go on if it is reloaded). */
type TabFact = "shopper" | "cart" | "founding";

function factName(cluster: string, fact: TabFact): string {
  return `tabring-${fact}-${cluster}`;
}

export function tabFact(cluster: string, fact: TabFact): string | undefined {
  try {
    return sessionStorage.getItem(factName(cluster, fact)) ?? undefined;
  } catch {
    return undefined; // storage is blocked
  }
}

export function rememberTabFact(cluster: string, fact: TabFact, text: string | undefined): void {
  try {
    if (text === undefined) sessionStorage.removeItem(factName(cluster, fact));
    else sessionStorage.setItem(factName(cluster, fact), text);
  } catch {
    // Storage is blocked or full: a reload asks again.
  }
}
