/**
 * Places in the lab, and their addresses: the free lab (perhaps with a run), the real tabs of a cluster (or which cluster it is to be), the list of lessons, a
 * lesson, an assignment, a seed of the simulator, the paper's results.
 */

import { type SeedPlace, linkOfSeed, seedOfLink } from "../../src/sim/seed-link.ts";

export type LabPlace =
  | { readonly page: "free"; readonly run: string | undefined }
  | { readonly page: "tabs"; readonly cluster: string | undefined }
  | { readonly page: "lessons" }
  | { readonly page: "paper" }
  | ({ readonly page: "seed" } & SeedPlace)
  | { readonly page: "lesson"; readonly id: string }
  | {
      readonly page: "assignment";
      readonly id: string;
      readonly seed: number;
      /** The answers of all seeds, for the teacher. */
      readonly answers: boolean;
    };

const SEED_MAX = 9_999;

/** `fragment` with its #. Undefined when it is no place of the lab. */
export function labPlaceIn(fragment: string): LabPlace | undefined {
  const [, path, query] = /^#\/lab(\/[^?]*)?(?:\?(.*))?$/.exec(fragment) ?? [];
  if (path === undefined && !/^#\/lab(\?|$)/.test(fragment)) return undefined;
  if (path === undefined || path === "/")
    return { page: "free", run: new URLSearchParams(query ?? "").get("run") ?? undefined };
  if (path === "/lessons") return { page: "lessons" };
  if (path === "/tabs") return { page: "tabs", cluster: undefined };
  const [, cluster] = /^\/tabs\/([A-Za-z0-9_-]{1,64})$/.exec(path) ?? [];
  if (cluster !== undefined) return { page: "tabs", cluster };
  if (path === "/paper") return { page: "paper" };
  const seeded = seedOfLink(fragment);
  if (seeded !== undefined) return { page: "seed", ...seeded };
  const [, assignment] = /^\/assignment\/([a-z-]+)$/.exec(path) ?? [];
  if (assignment !== undefined) {
    const fields = new URLSearchParams(query ?? "");
    const seed = Number(fields.get("seed") ?? 1);
    if (!Number.isInteger(seed) || seed < 0 || seed > SEED_MAX) return undefined;
    return { page: "assignment", id: assignment, seed, answers: fields.has("answers") };
  }
  const [, id] = /^\/lesson\/([a-z-]+)$/.exec(path) ?? [];
  return id === undefined ? undefined : { page: "lesson", id };
}

/** In big type, with little beside the ring: for a class that looks at a wall. */
export function isBig(fragment: string): boolean {
  return new URLSearchParams(fragment.split("?")[1] ?? "").has("big");
}

/** The same place, in big type or not. */
export function fragmentBig(fragment: string, big: boolean): string {
  const [path = "", query] = fragment.split("?");
  const fields = (query ?? "").split("&").filter((field) => field !== "" && field !== "big");
  if (big) fields.push("big");
  return fields.length === 0 ? path : `${path}?${fields.join("&")}`;
}

export function fragmentOfPlace(place: LabPlace): string {
  if (place.page === "lessons") return "#/lab/lessons";
  if (place.page === "tabs") return place.cluster === undefined ? "#/lab/tabs" : `#/lab/tabs/${place.cluster}`;
  if (place.page === "paper") return "#/lab/paper";
  if (place.page === "seed") return linkOfSeed(place);
  if (place.page === "lesson") return `#/lab/lesson/${place.id}`;
  if (place.page === "assignment")
    return `#/lab/assignment/${place.id}?seed=${place.seed}${place.answers ? "&answers" : ""}`;
  return place.run === undefined ? "#/lab" : `#/lab?run=${place.run}`;
}
