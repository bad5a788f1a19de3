/** The shop's side of the lab, as long as no lab listens: it waits for one to say that it does, and loads the reporter then. */

import { openLabChannel } from "./lab-channel.ts";
import type { ReporterHost, TabReporter } from "./tab-reporter.ts";

export class LabDoor {
  readonly #host: ReporterHost;
  readonly #channel: BroadcastChannel;
  #reporter: TabReporter | undefined;
  #loading = false;
  readonly #leave = () => this.#reporter?.leave();

  constructor(cluster: string, host: ReporterHost) {
    this.#host = host;
    this.#channel = openLabChannel(cluster);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (this.#reporter !== undefined) this.#reporter.hear(data);
      else if (isListening(data)) void this.#open();
    };
    // A page that is closed has no time for anything else.
    addEventListener("pagehide", this.#leave);
  }

  close(): void {
    removeEventListener("pagehide", this.#leave);
    this.#reporter?.leave();
    this.#channel.close();
  }

  async #open(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const { TabReporter } = await import("./tab-reporter.ts");
      this.#reporter = new TabReporter(this.#host, (data) => this.#channel.postMessage(data));
    } catch {
      // The server is down just now: the lab says again that it listens.
    } finally {
      this.#loading = false;
    }
  }
}

function isListening(data: unknown): boolean {
  return typeof data === "object" && data !== null && "kind" in data && data.kind === "listening";
}
