/** Starts the demo. The store is loaded when the first cluster is opened, so that the start page stays small. */

import { mount } from "svelte";
import App from "./App.svelte";
import type { OpenStore } from "./state/cluster.svelte.ts";
import "./app.css";

const openStore: OpenStore = async (options) => (await import("../src/index.ts")).openStore(options);

const target = document.getElementById("app");
if (target === null) throw new Error("index.html has no element with the id app");
mount(App, { target, props: { openStore } });
