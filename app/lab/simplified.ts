/**
 * What each view of the lab leaves out or makes simpler than it is, said under it. Loaded when somebody opens it.
 *
 * Whoever adds a panel adds a line here; the types ask for it.
 */

import type { Panel } from "./panels.ts";

export type WorldKind = "run" | "tabs" | "seed";

/** Of the world as a whole. */
export const OF_WORLD: Readonly<Record<WorldKind, string>> = {
  run:
    "The nodes are the shipped ones, with their real messages; time, network and disks are simulated in this page, so that a run can be repeated and gone " +
    "back in. Nothing is encoded on the way, and a disk has no pages. Real tabs are slower, and start later.",
  tabs:
    "Nothing is simulated here: these are the nodes of real tabs, with their own disks, over WebRTC. But it is a recording of what they say of themselves. A " +
    "message between two tabs takes a millisecond or two, so while the present is shown each is drawn for half a second; the lists have the real times, and " +
    "a slower pace shows them. Times of two tabs may be some milliseconds apart. A message whose receiver does not say that it came is told as lost after " +
    "five seconds, one to a node that does not report is never heard of again. Tabs of other browsers are known by what these tabs believe. Cuts and losses " +
    "are made inside our own transport, not in the network. Ten minutes are kept at most, and nothing when this page is closed. The shop in each tab reads " +
    "and writes as well.",
  seed:
    "This is what npm run sim runs, with its judges. The trace tells of the last half minute before the moment that you went to, and of all after it. What " +
    "the judges do last, a survey and a look at the buckets, passes in one step.",
};

/** Of the panel that is open. */
export const OF_PANEL: Readonly<Record<Panel, string>> = {
  key:
    "Values are short texts here, and you are the only one who reconciles. An application stores bytes, up to 1 MiB, and merges siblings by code of its own. " +
    "The table looks straight at the disks, which no node can do with another one's.",
  request:
    "The waterfall is put together from what all nodes did, by one clock. In life nobody sees all of it: a coordinator knows when answers came, not when " +
    "they left, and of what became of a hint it hears nothing.",
  versions:
    "Drawn are the writes that the trace still knows and those on the disks; what was overwritten long ago has no box. The letters and numbers are short " +
    "names: a real actor is the id of its node with 16 random hexadecimal digits behind it.",
  node:
    "A crash takes what was not on the disk yet and nothing else; a computer that loses its power may also take what was written and not flushed, and that is " +
    "not among the buttons. A frozen node has its whole backlog again in one moment.",
  messages:
    "One message is one arrow. Between tabs several go in one frame, in lanes, with flow control, over channels that repeat what was lost: a message is " +
    "hardly ever lost without its link. Pings and gossip are left out of the picture until you ask for them.",
  hints:
    "Nobody in the cluster sees all hints at once; each node knows its own. How long one was kept counts from what the trace still knows, and for a key there is " +
    "one hint for each target, however many writes it stands for.",
  beliefs:
    "All beliefs of one moment stand side by side, which nobody in the cluster could put together. Two rings with the same letter have the same digest; how " +
    "two that differ do so is not shown.",
  plan:
    "Keys and bytes are those on the disks at this moment, and writes go on while data moves, so in the end there are a few more. The partitions are " +
    "exact, or the plan is refused because the ring has changed.",
  trace:
    "The last 50,000 records are kept, and long labels are cut. The causal order is exact; the order of two records that know nothing of each other is " +
    "that of the world's clock.",
  world:
    "Delays are drawn evenly from a range, and loss takes each message by itself, while real networks lose in bursts. Callers ask at random nodes and do not " +
    "wait for each other.",
  trees:
    "Both trees are read in the same moment, straight from the disks. Real nodes compare while writes go on, and what is on its way looks different for " +
    "a while. The costs are those of a rehearsal in this page with the shipped encoder.",
  bytes:
    "Here the bytes are made for you to look at: in this world messages go as objects. Between tabs a message shares an encrypted frame with others, and what " +
    "the frame itself takes is not counted.",
  figures:
    "Percentiles come from histograms and are off by up to 1.6 percent. A node counts from its last start. The " +
    "latencies are those of this world's network and disks, not of any real ones.",
  quorum:
    "The models leave out hints, read repair and nodes that are given up. What is measured runs on real nodes in worlds of its own, with one writer and one " +
    "reader for each key; many writers would see siblings, not only old values.",
  placements:
    "Shares are counted with keys spread evenly, without a hot one. Moving is free here: what it costs to look through the old ranges, which the paper holds " +
    "against its first placement, does not arise with partitions.",
  carts:
    "There are two shoppers and one conflict. Yjs carries a history that grows with each change, which these small carts do not show, and last write wins " +
    "goes by clocks that are right here unless you set them wrong.",
};
