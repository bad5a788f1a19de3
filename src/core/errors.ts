/**
 * Every refusal has a name and a code, and says what happened, what is still safe and what to do. The classes are what a caller sees;
 * between nodes only the code and the facts travel.
 */

/** The base of all errors that a caller can meet. `code` is stable; the text is for people. */
export class TabringError extends Error {
  override readonly name: string = "TabringError";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** A key is empty, over 1,024 bytes of UTF-8, or not text. Nothing was sent. */
export class InvalidKeyError extends TabringError {
  override readonly name: string = "InvalidKeyError";
  constructor(message: string) {
    super("invalid-key", message);
  }
}

/** A value is over 1 MiB. Nothing was sent. */
export class ValueTooLargeError extends TabringError {
  override readonly name: string = "ValueTooLargeError";
  constructor(bytes: number, bytesMax: number) {
    super(
      "value-too-large",
      `The value has ${bytes} bytes, over the limit of ${bytesMax}. Nothing was written. Split it over several keys, or store it elsewhere and keep its address here.`,
    );
  }
}

/** r or w is no whole number from 1 to n, or pr, pw or dw none from 0 to n. Nothing was sent. */
export class InvalidQuorumError extends TabringError {
  override readonly name: string = "InvalidQuorumError";
  constructor(name: string, given: unknown, n: number, least = 1) {
    super(
      "invalid-quorum",
      `${name} is ${String(given)}, but must be a whole number from ${least} to n = ${n}. Nothing was sent. Leave it out for the default of the bucket or the cluster.`,
    );
  }
}

/** A context does not parse, or was read from another key. Nothing was sent. */
export class InvalidContextError extends TabringError {
  override readonly name: string = "InvalidContextError";
  constructor(message: string) {
    super("invalid-context", message);
  }
}

/** An operation id is not 32 lower-case hexadecimal digits. Nothing was sent. */
export class InvalidOperationError extends TabringError {
  override readonly name: string = "InvalidOperationError";
  constructor() {
    super(
      "invalid-operation",
      "The operation id is not 32 lower-case hexadecimal digits. Nothing was sent. Leave it out to have one drawn, and repeat it only to retry the same put.",
    );
  }
}

/** Fewer replicas answered in time than were asked for, or fewer owners among them. A put may still take effect. */
export class QuorumError extends TabringError {
  override readonly name: string = "QuorumError";
  readonly operation: "get" | "put";
  readonly needed: number;
  readonly answered: readonly string[];
  readonly silent: readonly string[];
  /** How many answers had to come from owners that hold the partition (pr or pw), and how many did. */
  readonly ownersNeeded: number;
  readonly ownersAnswered: number;
  /** The same of strict commits (dw). */
  readonly strictNeeded: number;
  readonly strictAnswered: number;
  constructor(
    operation: "get" | "put",
    needed: number,
    answered: readonly string[],
    silent: readonly string[],
    owners: { readonly needed: number; readonly answered: number } = { needed: 0, answered: 0 },
    strict: { readonly needed: number; readonly answered: number } = { needed: 0, answered: 0 },
  ) {
    const [quorum, primary] = operation === "get" ? ["r", "pr"] : ["w", "pw"];
    const ofOwners =
      owners.needed === 0 ? "" : `, ${owners.needed} of them owners that hold the partition (${primary}),`;
    const byOwners = owners.needed === 0 ? "" : `, ${owners.answered} of them such an owner`;
    const ofStrict = strict.needed === 0 ? "" : `, ${strict.needed} of them with strict commits (dw),`;
    const byStrict = strict.needed === 0 ? "" : `, ${strict.answered} of them with a strict commit`;
    const lower = `${quorum}${owners.needed === 0 ? "" : ` or ${primary}`}${strict.needed === 0 ? "" : " or dw"}`;
    const short = (ids: readonly string[]) => (ids.length === 0 ? "none" : ids.map((id) => id.slice(0, 6)).join(", "));
    super(
      "quorum",
      `The ${operation} needed ${needed} replica${needed === 1 ? "" : "s"}${ofOwners}${ofStrict} but ${answered.length} answered in time${byOwners}${byStrict} (answered: ${short(answered)}; silent: ${short(silent)}). ` +
        (operation === "put"
          ? "The outcome is unknown: the write may still take effect, and what was acknowledged before is safe. Retry with the same operation id, lower " +
            `${lower}, or bring a node back.`
          : `Nothing was changed. Lower ${lower}, retry, or bring a node back.`),
    );
    this.operation = operation;
    this.needed = needed;
    this.answered = answered;
    this.silent = silent;
    this.ownersNeeded = owners.needed;
    this.ownersAnswered = owners.answered;
    this.strictNeeded = strict.needed;
    this.strictAnswered = strict.answered;
  }
}

/** A bucket cannot be set so: its name, a number or its policy is none, or there are too many. Nothing was changed. */
export class InvalidBucketError extends TabringError {
  override readonly name: string = "InvalidBucketError";
  constructor(fault: string) {
    super("invalid-bucket", `The bucket cannot be set: ${fault}. Nothing was changed, here or elsewhere.`);
  }
}

/** The bucket's siblings are to be read as one value by a merge that this store does not have. All of them are safe. */
export class UnknownMergeError extends TabringError {
  override readonly name: string = "UnknownMergeError";
  /** The name of the merge; undefined when the bucket names none and the caller gave no `reconcile`. */
  readonly merge: string | undefined;
  constructor(key: string, siblings: number, merge: string | undefined) {
    super(
      "unknown-merge",
      (merge === undefined
        ? `${key} has ${siblings} siblings, and neither its bucket nor the caller says how to make one value of them. `
        : `${key} has ${siblings} siblings, which its bucket merges by "${merge}", but this store has no merge of that name. `) +
        "Nothing is lost and nothing was changed. Read them all with `get` of the store, or " +
        (merge === undefined
          ? "give `bucket` a `reconcile`."
          : `open the store with \`merges: { ${JSON.stringify(merge)}: ... }\`.`),
    );
    this.merge = merge;
  }
}

/** The key has as many siblings as it may. The write was refused; what is stored is safe. */
export class TooManySiblingsError extends TabringError {
  override readonly name: string = "TooManySiblingsError";
  constructor(siblings: number) {
    super(
      "too-many-siblings",
      `The key has ${siblings} siblings, the most that a write may leave behind. Nothing was written and nothing is lost. Read it, reconcile the siblings, and put the result with the context of that read.`,
    );
  }
}

/** The node has not met its cluster yet, or is closing. Nothing was sent. */
export class NotReadyError extends TabringError {
  override readonly name: string = "NotReadyError";
  constructor(message: string) {
    super("not-ready", message);
  }
}

/** Too many requests are under way at this node. Nothing was sent. */
export class OverloadedError extends TabringError {
  override readonly name: string = "OverloadedError";
  constructor() {
    super(
      "overloaded",
      "The node already works on as many requests as it may. Nothing was sent. Wait for some of them to end.",
    );
  }
}

/** The local store refused: quota, a closed database, a damaged record. What was acknowledged before is safe. */
export class StorageError extends TabringError {
  override readonly name: string = "StorageError";
  constructor(message: string) {
    super("storage", message);
  }
}

/** Bytes from outside do not parse. They changed nothing. */
export class MalformedMessageError extends TabringError {
  override readonly name: string = "MalformedMessageError";
  constructor(message: string, code = "malformed-message") {
    super(code, message);
  }
}

/** A message kind that this build does not know: sent by a newer build, or rubbish. It changed nothing. */
export class UnknownMessageError extends MalformedMessageError {
  override readonly name: string = "UnknownMessageError";
  constructor(kind: number) {
    super(`Message kind ${kind} is unknown to this build. It was dropped and changed nothing.`, "unknown-message");
  }
}

/** The two ends have no protocol version in common. */
export class ProtocolVersionError extends TabringError {
  override readonly name: string = "ProtocolVersionError";
  constructor(ours: string, theirs: string) {
    super(
      "protocol-version",
      `The other side speaks protocol ${theirs}, this build ${ours}. The link was refused and nothing was exchanged. Reload both tabs to get the same build.`,
    );
  }
}

/** What lies on this disk was written by a newer build. It was left as it is, and this node did not start. */
export class NewerFormatError extends TabringError {
  override readonly name: string = "NewerFormatError";
  constructor(what: string, theirs: number, ours: number) {
    super(
      "newer-format",
      `The ${what} on this disk was written by a newer build: it has format ${theirs}, and this build reads up to ${ours}. Nothing was touched and all of it is safe. Reload the page to get the newer build; to go back on purpose, let the newer one write the older format first (\`writesProtocol\`).`,
    );
  }
}

/** A member of a cluster with other parameters (n, r, w, partitions, placement, tokensPerNode). Nothing of it was taken in. */
export class ParametersDifferError extends TabringError {
  override readonly name: string = "ParametersDifferError";
  constructor(difference: string) {
    super(
      "parameters-differ",
      `A member of another cluster is in the same room: ${difference}. Nothing was exchanged with it and what is stored is safe. Give each cluster a name of its own, or open the store without the parameters that differ.`,
    );
  }
}

/** A frame or a message is larger than the protocol allows. It was dropped. */
export class OversizedError extends MalformedMessageError {
  override readonly name: string = "OversizedError";
  constructor(message: string) {
    super(message, "oversized");
  }
}

/** The other side could not prove that it knows the cluster's secret, or this side could not. No data was exchanged. */
export class WrongSecretError extends TabringError {
  override readonly name: string = "WrongSecretError";
  constructor(message: string) {
    super("wrong-secret", message);
  }
}

/** Something about an archive is wrong. Nothing of it was restored. */
export class ArchiveError extends TabringError {
  override readonly name: string = "ArchiveError";
}

/** These bytes are no archive of Tabring. */
export class NotAnArchiveError extends ArchiveError {
  override readonly name: string = "NotAnArchiveError";
  constructor() {
    super(
      "not-an-archive",
      "These bytes are no archive of Tabring: they do not begin like one. Nothing was restored. Choose the file that an export gave.",
    );
  }
}

/** The archive was written by a newer build. */
export class NewerArchiveError extends ArchiveError {
  override readonly name: string = "NewerArchiveError";
  constructor(theirs: number, ours: number) {
    super(
      "newer-archive",
      `The archive has format ${theirs}, and this build reads up to ${ours}. Nothing was restored, and the archive is as good as it was. Reload the page to get a newer build.`,
    );
  }
}

/** Bits were changed, or chunks are missing, repeated or out of order. */
export class DamagedArchiveError extends ArchiveError {
  override readonly name: string = "DamagedArchiveError";
  constructor(what: string) {
    super(
      "damaged-archive",
      `The archive is damaged: ${what}. Nothing was restored from it, and what the cluster has is safe. Take another copy of it.`,
    );
  }
}

/** The archive has no end: its export was broken off, or the file was cut. */
export class TruncatedArchiveError extends ArchiveError {
  override readonly name: string = "TruncatedArchiveError";
  constructor(chunks: number) {
    super(
      "truncated-archive",
      `The archive ends after ${chunks} chunks, without its manifest: its export was broken off, or the file was cut. Nothing was restored from it, and what the cluster has is safe. Take another copy of it.`,
    );
  }
}

/** The source gave other bytes the second time than when it was verified. */
export class ChangedArchiveError extends ArchiveError {
  override readonly name: string = "ChangedArchiveError";
  constructor(keys: number) {
    super(
      "changed-archive",
      `The archive is not the one any more that was verified. ${keys} keys had been restored from it by then, as ordinary writes; nothing was overwritten that was not asked for. Give the same bytes twice, and restore again: what is restored already is left as it is.`,
    );
  }
}

/** Too few members could be read to be sure that no acknowledged write is missed. An export has no end then and restores nothing; nothing is rewound. */
export class IncompleteGatheringError extends TabringError {
  override readonly name: string = "IncompleteGatheringError";
  readonly partition: number;
  readonly unread: readonly string[];
  constructor(partition: number, w: number, unread: readonly string[]) {
    super(
      "incomplete-gathering",
      `Partition ${partition} could not be read in full: ${unread.map((id) => id.slice(0, 6)).join(", ")} did not answer in full in time, so that writes acknowledged by ${w} nodes may be missing. All data is safe: what was exported has no end and restores nothing, and nothing was rewound. Bring the nodes back and try again, or export with incomplete: "tell", and the manifest will say what may be missing.`,
    );
    this.partition = partition;
    this.unread = unread;
  }
}

/** The moment that a bucket was to be rewound to lies before what is kept of its past, or in the future. Nothing was changed. */
export class MomentNotCoveredError extends TabringError {
  override readonly name: string = "MomentNotCoveredError";
  readonly at: number;
  /** The earliest moment that can be looked back at, wall clock; undefined when no past is kept. */
  readonly coveredFrom: number | undefined;
  constructor(bucket: string, at: number, coveredFrom: number | undefined, why: string) {
    super("moment-not-covered", `The bucket ${bucket} cannot be rewound to ${at}: ${why}. Nothing was changed.`);
    this.at = at;
    this.coveredFrom = coveredFrom;
  }
}
