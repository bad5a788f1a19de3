/**
 * Counts what callers of this node see and what this node does for others, for `statistics.ts`. No states; it tells and decides nothing, so no
 * mechanism depends on it. What is counted begins anew with each start of the node: it is nothing that a disk should wait for.
 *
 * A request counts when it ends, in the way in which its caller was told. One that its caller gave up counts as that alone.
 *
 * Limits: for each of gets and puts one histogram since the start and RECENT_SLICES of the last minute; STATISTICS_MINUTES minutes of three counts.
 */

import { Histogram } from "../base/histogram.ts";
import { RollingWindow } from "../base/rolling-window.ts";
import type { Note } from "./effect.ts";
import type { Millis } from "./identifiers.ts";
import type { ClientResult } from "./message.ts";
import {
  COUNTED,
  type Counted,
  FAILURE_CODES,
  type MinuteStatistics,
  type OperationStatistics,
  STATISTICS_MINUTES,
  type StatisticsSnapshot,
  VERSIONS_SEEN,
  noCounts,
} from "./statistics.ts";
import type { Surroundings } from "./surroundings.ts";

const MINUTE_MS = 60_000;
const RECENT_SLICE_MS = 10_000;
/** A minute, and the slice under way. */
const RECENT_SLICES = 7;

class Operations {
  answered = 0;
  timedOut = 0;
  readonly failed = noCounts(FAILURE_CODES);
  readonly latencyMicros = new Histogram();
  readonly recentMicros = new RollingWindow(RECENT_SLICE_MS, RECENT_SLICES, () => new Histogram());

  snapshot(now: Millis): OperationStatistics {
    const recent = new Histogram();
    for (const { slice } of this.recentMicros.recent(now)) recent.include(slice.data);
    return {
      answered: this.answered,
      failed: { ...this.failed },
      timedOut: this.timedOut,
      latencyMicros: this.latencyMicros.data,
      recentMicros: recent.data,
    };
  }
}

/** Who asked how long ago, and how long he was ready to wait. */
export interface EndedRequest {
  readonly kind: "get" | "put";
  readonly startedAt: Millis;
  readonly deadline: Millis;
}

export class Bookkeeping {
  readonly #in: Surroundings;
  readonly #gets = new Operations();
  readonly #puts = new Operations();
  readonly #versionsSeen = Array.from({ length: VERSIONS_SEEN }, () => 0);
  readonly #counts = noCounts(COUNTED);
  readonly #minutes = new RollingWindow(MINUTE_MS, STATISTICS_MINUTES, () => ({ requests: 0, answered: 0, served: 0 }));
  #startedAt: Millis | undefined;

  constructor(surroundings: Surroundings) {
    this.#in = surroundings;
  }

  /** Time is counted from here on. */
  start(): void {
    this.#startedAt ??= this.#in.now;
  }

  /** Everything that it remembers, as plain data. */
  get memory(): unknown {
    return { startedAt: this.#startedAt, snapshot: this.snapshot() };
  }

  snapshot(): StatisticsSnapshot {
    const { now } = this.#in;
    const since = this.#startedAt ?? now;
    const minutes: MinuteStatistics[] = [];
    for (const { age, slice } of this.#minutes.recent(now)) {
      while (minutes.length < age) minutes.push({ requests: 0, answered: 0, served: 0 });
      minutes.push({ ...slice });
    }
    return {
      upMs: now - since,
      gets: this.#gets.snapshot(now),
      puts: this.#puts.snapshot(now),
      versionsSeen: [...this.#versionsSeen],
      counts: { ...this.#counts },
      minutes,
      minutesMs: this.#minutes.coveredMs(now, since),
    };
  }

  count(what: Counted): void {
    this.#counts[what]++;
  }

  /** This node read or wrote a record of its own for somebody's request. */
  onServed(): void {
    this.count("served");
    this.#minutes.at(this.#in.now).served++;
  }

  /** A caller of this node was answered, or told that it will not be. */
  onEnded({ kind, startedAt, deadline }: EndedRequest, result: ClientResult): void {
    const { now } = this.#in;
    const micros = (now - startedAt) * 1_000;
    const operations = this.#tell(kind, result);
    if (result.outcome === "failed" && result.failure.code === "quorum" && now >= deadline) operations.timedOut++;
    operations.latencyMicros.add(micros);
    operations.recentMicros.at(now).add(micros);
  }

  /** A caller's request was not even begun. */
  onTurnedAway(kind: "get" | "put", result: ClientResult): void {
    this.#tell(kind, result);
  }

  onNote(note: Note): void {
    switch (note.what) {
      case "hint-kept":
        return this.count("hints-kept");
      case "hint-delivered":
        return this.count("hints-delivered");
      case "hint-refused":
        return this.count("hints-refused");
      case "read-repair":
        return this.count("read-repairs");
      case "damaged":
        return this.count("damaged-records");
      case "buffer-full":
        return this.count("buffer-full");
      case "buffer-lost":
        return this.count("buffer-lost");
      case "late-dropped":
        return this.count("late-messages");
      case "tombstone-reaped":
        return this.count("tombstones-reaped");
      case "peer-limited":
        return this.count("limited");
      default:
    }
  }

  #tell(kind: "get" | "put", result: ClientResult): Operations {
    const operations = kind === "get" ? this.#gets : this.#puts;
    const minute = this.#minutes.at(this.#in.now);
    minute.requests++;
    if (result.outcome === "failed") {
      operations.failed[result.failure.code]++;
      if (result.failure.code === "too-many-siblings") minute.answered++;
      return operations;
    }
    operations.answered++;
    minute.answered++;
    if (result.outcome === "got") this.#versionsSeen[Math.min(result.set.siblings.length, VERSIONS_SEEN - 1)]!++;
    return operations;
  }
}
