/** The little SVG that the report's plots are made of: escaping, scales, ticks and a frame with axes. */

/** Okabe and Ito's palette: told apart by people with any kind of colour vision, and in grey print. */
export const COLOURS = {
  blue: '#0072B2',
  orange: '#D55E00',
  green: '#009E73',
  purple: '#CC79A7',
  grey: '#8a8f98',
} as const;

/** What the pictures look like, on the page and alone. */
export const SVG_STYLE = `
svg text { font: 11px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #3b424b; }
svg text.title { font-size: 12px; fill: #1b1f24; }
svg text.small { font-size: 9px; }
svg .grid { stroke: #e6e9ed; } svg .axis { stroke: #6b7480; } svg .ideal { stroke: #8a8f98; stroke-dasharray: 5 4; }`;

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A number short enough for a label: three significant digits. */
export function label(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Coordinates with a tenth of a pixel. */
export function px(value: number): string {
  return value.toFixed(1);
}

/** Round values that cover a range, about `count` of them. */
export function ticks(low: number, high: number, count = 5): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly axes: string;
}

export interface AxisOptions {
  readonly range: readonly [low: number, high: number];
  readonly title: string;
  /** Tick values and texts; round ones by default. */
  readonly ticks?: readonly (readonly [value: number, text: string])[];
}

/** The legend stands above the plot area, where it hides nothing. */
const MARGIN = { left: 58, right: 14, top: 30, bottom: 44 } as const;

/** A plot area with grid lines, ticks and axis titles; `room` more above it, for what stands there. */
export function frame(
  width: number,
  height: number,
  xAxis: AxisOptions,
  yAxis: AxisOptions,
  room = 0,
): Frame {
  const top = MARGIN.top + room;
  const scale =
    ([low, high]: readonly [number, number], from: number, to: number) =>
    (value: number) =>
      from + ((value - low) / (high - low || 1)) * (to - from);
  const x = scale(xAxis.range, MARGIN.left, width - MARGIN.right);
  const y = scale(yAxis.range, height - MARGIN.bottom, top);
  const bottom = height - MARGIN.bottom;
  const parts: string[] = [];
  for (const [value, text] of yAxis.ticks ?? labelled(yAxis.range)) {
    const at = px(y(value));
    parts.push(
      `<line class="grid" x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${at}" y2="${at}"/>`,
      `<text x="${MARGIN.left - 7}" y="${at}" text-anchor="end" dy="0.32em">${escapeText(text)}</text>`,
    );
  }
  for (const [value, text] of xAxis.ticks ?? labelled(xAxis.range)) {
    const at = px(x(value));
    parts.push(
      `<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}"/>`,
      `<text x="${at}" y="${bottom + 17}" text-anchor="middle">${escapeText(text)}</text>`,
    );
  }
  const middle = (top + bottom) / 2;
  parts.push(
    `<line class="axis" x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${bottom}" y2="${bottom}"/>`,
    `<text class="title" x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${height - 6}" text-anchor="middle">${escapeText(xAxis.title)}</text>`,
    `<text class="title" x="13" y="${middle}" text-anchor="middle" transform="rotate(-90 13 ${middle})">${escapeText(yAxis.title)}</text>`,
  );
  return { width, height, x, y, axes: parts.join('') };
}

function labelled([low, high]: readonly [number, number]): [number, string][] {
  return ticks(low, high).map((value) => [value, label(value)]);
}

/** The finished picture; `title` is read by screen readers. */
export function svg({ width, height }: Pick<Frame, 'width' | 'height'>, title: string, body: string): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">${body}</svg>`;
}

/** A picture as a file of its own: size, styles and a white ground inside. */
export function standalone(picture: string): string {
  const [, width, height] = /viewBox="0 0 (\S+) (\S+)"/.exec(picture)!;
  const ground = `<style>${SVG_STYLE}\n</style><rect width="${width}" height="${height}" fill="#fff"/>`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" `;
  return `${picture.replace('<svg ', head).replace('>', `>${ground}`)}\n`;
}

export type Entry = readonly [name: string, colour: string];

/** Rough width of a letter. */
const LETTER = 6.2;

/** Names with their colours above the plot area, on as many lines as they take; `room`: what the lines after the first need. */
export function legend(entries: readonly Entry[], width: number): { svg: string; room: number } {
  let left: number = MARGIN.left;
  let line = 0;
  const parts = entries.map(([name, colour]) => {
    const wide = 34 + LETTER * name.length;
    if (left > MARGIN.left && left + wide - 18 > width) {
      line++;
      left = MARGIN.left;
    }
    const [x, y] = [left, 10 + 16 * line];
    left += wide;
    return (
      `<rect x="${px(x)}" y="${y}" width="11" height="9" fill="${colour}"/>` +
      `<text x="${px(x + 16)}" y="${y + 5}" dy="0.32em">${escapeText(name)}</text>`
    );
  });
  return { svg: parts.join(''), room: 16 * line };
}

/** A range with room at both ends; never empty. */
export function padded(values: readonly number[], share = 0.06): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const room = (high - low || Math.abs(high) || 1) * share;
  return [low - room, high + room];
}

/** Colour of a share in [0, 1]: viridis (van der Walt and Smith), even in lightness and so also in grey print. */
export function viridis(share: number): string {
  const stops = [
    '#440154',
    '#472d7b',
    '#3b528b',
    '#2c728e',
    '#21918c',
    '#28ae80',
    '#5ec962',
    '#addc30',
    '#fde725',
  ];
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(place));
  const mix = (channel: number): string => {
    const part = (stop: string): number => parseInt(stop.slice(1 + 2 * channel, 3 + 2 * channel), 16);
    const value = part(stops[below]!) + (place - below) * (part(stops[below + 1]!) - part(stops[below]!));
    return Math.round(value).toString(16).padStart(2, '0');
  };
  return `#${mix(0)}${mix(1)}${mix(2)}`;
}
