/**
 * Places in the lab, and their addresses: the free lab (perhaps with a run), the real tabs of a cluster (or which cluster it is to be), the list of lessons, a
 * lesson, the paper's results.
 */

export type LabPlace =
  | { readonly page: "free"; readonly run: string | undefined }
  | { readonly page: "tabs"; readonly cluster: string | undefined }
  | { readonly page: "lessons" }
  | { readonly page: "paper" }
  | { readonly page: "lesson"; readonly id: string };

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
  const [, id] = /^\/lesson\/([a-z-]+)$/.exec(path) ?? [];
  return id === undefined ? undefined : { page: "lesson", id };
}

export function fragmentOfPlace(place: LabPlace): string {
  if (place.page === "lessons") return "#/lab/lessons";
  if (place.page === "tabs") return place.cluster === undefined ? "#/lab/tabs" : `#/lab/tabs/${place.cluster}`;
  if (place.page === "paper") return "#/lab/paper";
  if (place.page === "lesson") return `#/lab/lesson/${place.id}`;
  return place.run === undefined ? "#/lab" : `#/lab?run=${place.run}`;
}
