/** The server that serves the page and brings tabs together: where it listens, and whether it is there. Plain files are served by others, too. */

const SIGNAL_PATH = "/signal";
const HEALTH_PATH = "/health";
const ANSWER_MS = 3_000;

export function seedAddress(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${SIGNAL_PATH}`;
}

/** Somebody who serves files alone has no such address, or shows a page there. */
export async function serverAnswers(): Promise<boolean> {
  try {
    const response = await fetch(HEALTH_PATH, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    return response.ok && (await response.text()).trim() === "ok";
  } catch {
    return false;
  }
}
