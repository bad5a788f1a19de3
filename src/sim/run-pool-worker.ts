/** One process of a pool (`run-pool.ts`): runs the seeds that it is sent, one after another. */

import type { SeedOrder, SeedReport } from "./run-pool.ts";
import { runSeed } from "./swarm.ts";

process.on("message", (order: SeedOrder) => {
  const { seed, twice } = order;
  const options = { ...order.options, trace: twice || order.options.trace === true };
  const outcome = runSeed(seed, options);
  const same = !twice || runSeed(seed, options).transcriptHash === outcome.transcriptHash;
  process.send?.({ outcome, same } satisfies SeedReport);
});
// Whoever sent it has gone.
process.on("disconnect", () => process.exit());
