/** The faults that tabs have on purpose, in words, and the acts that end them: so that nobody forgets one that is on. */

import type { NodeId } from "../../../src/core/identifiers.ts";
import type { LabAct } from "../../../src/lab/acts.ts";
import type { CaughtMessage, TabFaults } from "../../../src/lab/tab-reports.ts";
import { listed } from "../../words.ts";
import { spanWords } from "../lab-words.ts";

type NameOf = (node: NodeId) => string;

/** Of one tab; empty when it has none. */
export function faultWords(faults: TabFaults, nameOf: NameOf): readonly string[] {
  const { cut, muted, perMilleLost, addedLatencyMs, toCatch, frozen, diskFull, clockSkewMs, serverCut } = faults;
  const names = (nodes: readonly NodeId[]): string => listed(nodes.map(nameOf));
  return [
    ...(frozen ? ["is frozen"] : []),
    ...(cut === "all"
      ? ["is cut off from everybody"]
      : cut === "none" || cut.length === 0
        ? []
        : [`is cut off from ${names(cut)}`]),
    ...(muted.length === 0 ? [] : [`is not heard by ${names(muted)}`]),
    ...(perMilleLost === 0 ? [] : [`loses ${perMilleLost / 10}% of what it sends`]),
    ...(addedLatencyMs === 0 ? [] : [`has ${spanWords(addedLatencyMs)} of added latency`]),
    ...toCatch.map((each) => catchWords(each, nameOf)),
    ...(diskFull ? ["has a full disk"] : []),
    ...(clockSkewMs === 0
      ? []
      : [`has a clock that is ${spanWords(Math.abs(clockSkewMs))} ${clockSkewMs < 0 ? "behind" : "ahead"}`]),
    ...(serverCut ? ["stays away from the server"] : []),
  ];
}

export function catchWords({ to, kind, how, byMs }: CaughtMessage, nameOf: NameOf): string {
  const what = how === "drop" ? "drops" : how === "delay" ? `delays by ${spanWords(byMs)}` : "doubles";
  return `${what} its next ${kind} to ${nameOf(to)}`;
}

/** By name; only what is on. */
export function actsThatEnd(
  faulty: readonly { readonly name: string; readonly faults: TabFaults }[],
): readonly LabAct[] {
  const those = (isOn: (faults: TabFaults) => boolean): string[] =>
    faulty.filter(({ faults }) => isOn(faults)).map(({ name }) => name);
  const late = those(({ addedLatencyMs }) => addedLatencyMs > 0);
  const isCut = ({ cut, muted, toCatch }: TabFaults): boolean => cut !== "none" || muted.length + toCatch.length > 0;
  return [
    ...those(({ frozen }) => frozen).map((node): LabAct => ({ do: "thaw", node })),
    ...(those(isCut).length === 0 ? [] : [{ do: "heal" } as const]),
    ...(those(({ perMilleLost }) => perMilleLost > 0).length === 0 ? [] : [{ do: "loss", perMille: 0 } as const]),
    ...(late.length === 0 ? [] : [{ do: "latency", nodes: late, byMs: 0 } as const]),
    ...those(({ diskFull }) => diskFull).map((node): LabAct => ({ do: "disk-full", node, full: false })),
    ...those(({ clockSkewMs }) => clockSkewMs !== 0).map((node): LabAct => ({ do: "skew", node, byMs: 0 })),
    ...(those(({ serverCut }) => serverCut).length === 0 ? [] : [{ do: "server", down: false } as const]),
  ];
}
