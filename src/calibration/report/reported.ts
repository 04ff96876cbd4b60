/** What a report is made of, for the page, the terminal and files: a calibration, or new data under one. */
import type { Calibration } from '../calibration-schema.js';
import type { Finding } from '../doctor/probe.js';
import type { Comparison } from './comparison.js';

export type Reported = Pick<Calibration, 'better' | 'scores' | 'report'>;

type Data = Calibration['data'];

/** With where it comes from. */
export interface NamedReport extends Reported {
  /** Gates and best rule of the calibration; null where it has none. */
  readonly choice: Calibration['choice'];
  readonly int8?: Calibration['int8'];
  /** Name of the model. */
  readonly model: string;
  /** Hex sha256. */
  readonly weightsDigest: string;
  /** `split` is null where all rows were reported on. */
  readonly data: Pick<Data, 'sources' | 'rows' | 'steps' | 'seed' | 'near_duplicate'> & {
    readonly split: Data['split'] | null;
  };
  readonly environment: Calibration['environment'];
  /** When the calibration was made, ISO 8601; null as `version`. */
  readonly created: string | null;
  /** Of the calibration whose temperature and experts are used; null: they were fitted for this report alone. */
  readonly version: string | null;
  readonly findings?: readonly Finding[];
  /** With another model on the same rows, where it was asked for. */
  readonly comparison?: Comparison;
}
