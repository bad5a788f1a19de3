/** The public package: `openStore`, the types of what it gives, the errors, codecs. Reconcilers with their own dependencies are entry points of their own. */

export type * from "./api.ts";
export { InvalidClusterOptionsError, newCluster, openStore, parseSecret } from "./store.ts";
export { InvalidFaultError } from "./store-faults.ts";
export { DepartedError, MembershipChangeError } from "./operator.ts";
export { json, mergeOf } from "./bucket.ts";
export type { BucketProperties } from "./core/buckets.ts";
export { type ClusterParameters, defaultParameters } from "./core/config.ts";
export type { Dot, Sibling } from "./core/dvvset.ts";
export type {
  Balance,
  LatencySummary,
  MinuteStatistics,
  NodeBalance,
  OperationFigures,
  StatisticsFigures,
} from "./core/statistics.ts";
export type { RequestReport } from "./core/message.ts";
export type { ArchivePart } from "./wire/archive.ts";
export {
  ArchiveError,
  ChangedArchiveError,
  DamagedArchiveError,
  IncompleteGatheringError,
  InvalidBucketError,
  InvalidContextError,
  InvalidKeyError,
  InvalidOperationError,
  InvalidQuorumError,
  MalformedMessageError,
  NewerArchiveError,
  NotAnArchiveError,
  MomentNotCoveredError,
  NewerFormatError,
  NotReadyError,
  OverloadedError,
  OversizedError,
  ParametersDifferError,
  ProtocolVersionError,
  QuorumError,
  StorageError,
  TabringError,
  TooManySiblingsError,
  TruncatedArchiveError,
  UnknownMergeError,
  UnknownMessageError,
  ValueTooLargeError,
  WrongSecretError,
} from "./core/errors.ts";
export { forgetCluster, InsecureContextError, InvalidClusterError, knownClusters } from "./browser/identity.ts";
