import type { Store } from "../src/api.ts";
import type { LabSession } from "./lab/session.svelte.ts";

declare global {
  interface Window {
    /** The store of the open shop, for the console and for tests; undefined while none is open. */
    tabring?: { readonly store: Store } | undefined;
    /** The visit to the lab that is on this page, for the console and for tests. */
    tabringLab?: LabSession | undefined;
  }
}
