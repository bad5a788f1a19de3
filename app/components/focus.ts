/** Brings a part of the page, named by its id, into view and gives it the keyboard. */
export function goTo(id: string): void {
  const part = document.getElementById(id);
  part?.scrollIntoView({ block: "start" });
  part?.focus({ preventScroll: true });
}
