/** Where things stand on the drawing of the ring: a square of SIZE by SIZE, the ring's middle in its centre, shares of a turn clockwise from the top. */

export const SIZE = 620;
/** Nodes stand on this circle. */
export const NODES_RADIUS = 205;
/** Tokens are arcs between these two. */
export const TOKENS_INNER = 260;
export const TOKENS_OUTER = 290;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Arc<Owner> {
  readonly owner: Owner;
  /** The first token, and the one behind the last. */
  readonly from: number;
  readonly to: number;
}

export function pointAt(share: number, radius: number): Point {
  const angle = (share - 0.25) * 2 * Math.PI;
  return { x: SIZE / 2 + radius * Math.cos(angle), y: SIZE / 2 + radius * Math.sin(angle) };
}

/** Neighbouring tokens of one owner as one arc. */
export function arcsOf<Owner>(owners: readonly Owner[]): Arc<Owner>[] {
  const arcs: Arc<Owner>[] = [];
  owners.forEach((owner, token) => {
    const last = arcs.at(-1);
    if (last !== undefined && last.owner === owner) arcs[arcs.length - 1] = { ...last, to: token + 1 };
    else arcs.push({ owner, from: token, to: token + 1 });
  });
  return arcs;
}

/** The outline of a piece of the ring between two shares of a turn. */
export function sector(from: number, to: number, inner: number, outer: number): string {
  // A whole turn has no end points to draw between: it stops just before it closes.
  const end = to - from >= 1 ? from + 0.9999 : to;
  const large = end - from > 0.5 ? 1 : 0;
  const [a, b, c, d] = [pointAt(from, outer), pointAt(end, outer), pointAt(end, inner), pointAt(from, inner)];
  return `M${text(a)}A${outer} ${outer} 0 ${large} 1 ${text(b)}L${text(c)}A${inner} ${inner} 0 ${large} 0 ${text(d)}Z`;
}

/** On the way from one point to another, bent towards the centre a little, so that there and back are two ways. */
export function onTheWay(from: Point, to: Point, share: number): Point {
  const bend = 0.12;
  const middle = {
    x: (from.x + to.x) / 2 + bend * (to.y - from.y),
    y: (from.y + to.y) / 2 - bend * (to.x - from.x),
  };
  const [a, b, c] = [(1 - share) ** 2, 2 * share * (1 - share), share ** 2];
  return { x: a * from.x + b * middle.x + c * to.x, y: a * from.y + b * middle.y + c * to.y };
}

export function text({ x, y }: Point): string {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

/** Each pair of ends once. `both`: it goes both ways. */
export function pairsOf<End extends string>(
  ways: readonly { readonly from: End; readonly to: End }[],
): readonly { readonly from: End; readonly to: End; readonly both: boolean }[] {
  const all = new Set(ways.map(({ from, to }) => `${from} ${to}`));
  return ways.flatMap(({ from, to }) => {
    const both = all.has(`${to} ${from}`);
    return both && from > to ? [] : [{ from, to, both }];
  });
}
