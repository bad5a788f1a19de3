/** Where the points of a small line chart lie: series of numbers over the same few places, on a linear or a logarithmic axis. */

export const CHART_WIDTH = 560;
export const CHART_HEIGHT = 260;
/** Room for the words of the axes. */
export const CHART_LEFT = 52;
export const CHART_BOTTOM = 28;
const RIGHT = 16;
const TOP = 12;

export interface Series {
  readonly name: string;
  /** By place; undefined where there is none. */
  readonly values: readonly (number | undefined)[];
}

export interface Axis {
  readonly least: number;
  readonly most: number;
  readonly isLogarithmic: boolean;
}

export function xOf(place: number, places: number): number {
  return CHART_LEFT + (CHART_WIDTH - CHART_LEFT - RIGHT) * (places === 1 ? 0.5 : place / (places - 1));
}

/** What is beyond the axis lies at its edge. */
export function yOf(value: number, { least, most, isLogarithmic }: Axis): number {
  const scale = isLogarithmic ? Math.log10 : (x: number): number => x;
  const share = (scale(value) - scale(least)) / (scale(most) - scale(least));
  return TOP + (CHART_HEIGHT - CHART_BOTTOM - TOP) * (1 - Math.min(1, Math.max(0, share)));
}

/** An outline for an SVG path, with a gap where there is no value. */
export function lineOf({ values }: Series, axis: Axis): string {
  let pen = "M";
  let path = "";
  values.forEach((value, place) => {
    if (value === undefined) {
      pen = "M";
      return;
    }
    path += `${pen}${xOf(place, values.length).toFixed(1)} ${yOf(value, axis).toFixed(1)}`;
    pen = "L";
  });
  return path;
}
