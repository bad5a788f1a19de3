/** What judges ask of a step: whether the node noted something in it. */

import type { Effect, Note } from "../core/effect.ts";

export function noted(effects: readonly Effect[], what: Note["what"]): boolean {
  return effects.some((effect) => effect.kind === "note" && effect.note.what === what);
}
