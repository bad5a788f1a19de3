/** The dark squares of a QR code as one path: a run of them in a row is one rectangle. A quiet border of QUIET squares belongs to the code. */

export const QUIET = 4;

export interface Squares {
  readonly size: number;
  readonly get: (x: number, y: number) => boolean;
}

export function qrPath({ size, get }: Squares): string {
  let path = "";
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      if (!get(x, y)) continue;
      const from = x;
      while (x + 1 < size && get(x + 1, y)) x++;
      path += `M${from + QUIET} ${y + QUIET}h${x - from + 1}v1h-${x - from + 1}z`;
    }
  return path;
}
