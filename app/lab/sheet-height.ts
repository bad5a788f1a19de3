/** How high the sheet at the bottom of a phone stands: low (what is always needed, alone), half or full. */

export const SHEET_HEIGHTS = ["low", "half", "full"] as const;
export type SheetHeight = (typeof SHEET_HEIGHTS)[number];

/** Parts of the window: let go below the first it falls, from the second on it is full. */
const [LOW_BELOW, FULL_FROM] = [0.3, 0.6];

/** Where it stays when it is let go while it takes `part` of the window. */
export function heightAt(part: number): SheetHeight {
  return part < LOW_BELOW ? "low" : part < FULL_FROM ? "half" : "full";
}

/** One step up (1) or down (-1); at an end it stays. */
export function steppedHeight(height: SheetHeight, step: 1 | -1): SheetHeight {
  return SHEET_HEIGHTS[SHEET_HEIGHTS.indexOf(height) + step] ?? height;
}
