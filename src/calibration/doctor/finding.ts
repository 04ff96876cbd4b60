/** What a probe found out. */

export type Level =
  /** Measured and sound. */
  | 'ok'
  /** True of the model, and worth knowing, but not a fault: a trait of its architecture, or a probe that could not be made. */
  | 'note'
  /** Likely to cost quality; look before use. */
  | 'warning'
  /** Do not let this choose actions. */
  | 'failure';

export interface Finding {
  readonly probe: string;
  readonly level: Level;
  /** What was measured, with numbers. */
  readonly measured: string;
  /** What it means for the robot; empty when the probe is `ok`. */
  readonly means: string;
  /** What to do; empty when there is nothing to do. */
  readonly act: string;
}

export function ok(probe: string, measured: string): Finding {
  return { probe, level: 'ok', measured, means: '', act: '' };
}
