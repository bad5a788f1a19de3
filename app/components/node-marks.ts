/** How a node is drawn: a colour and a pattern, so that no two of the first eight differ by colour alone. */

export const NODE_MARKS = 8;

/** The mark of each node, 0 to {@link NODE_MARKS} - 1, by its place among all nodes: the same in every tab that knows the same nodes. */
export function nodeMarks(nodes: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...nodes].sort().map((node, i) => [node, i % NODE_MARKS]));
}
