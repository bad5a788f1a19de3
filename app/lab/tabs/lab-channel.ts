/** Where the labs and the tabs of one cluster in this browser meet. What is said there is in `src/lab/tab-reports.ts`. */

export function openLabChannel(cluster: string): BroadcastChannel {
  return new BroadcastChannel(`tabring-lab-${cluster}`);
}
