import type { Store } from "../src/api.ts";

declare global {
  interface Window {
    /** The store of the open shop, for the console and for tests; undefined while none is open. */
    tabring?: { readonly store: Store } | undefined;
  }
}
