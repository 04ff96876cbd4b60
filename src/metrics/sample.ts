/** What is read of the server at each scrape. */
export interface ServerSample {
  /** Bytes by what takes them, and of all together at most. */
  readonly budget: { readonly taken: Readonly<Record<string, number>>; readonly limitBytes: number };
  readonly build: { readonly version: string; readonly node: string; readonly onnxruntime: string };
}

/** What is read of each served model at each scrape. */
export interface ModelSample {
  readonly model: string;
  readonly queueDepth: number;
  readonly queueBytes: number;
  readonly cache: {
    readonly entries: number;
    readonly bytes: number;
    readonly hits: number;
    readonly misses: number;
    readonly evictions: Readonly<Record<string, number>>;
  };
  /** What may wait and be kept at most. */
  readonly capacity: {
    readonly queueItems: number;
    readonly queueBytes: number;
    readonly contextBytes: number;
  };
  readonly quality: readonly QualityFigures[];
  /** Of the last samples of each input, beside the calibration's rows; what is not known is absent. */
  readonly inputs: readonly {
    readonly input: string;
    readonly live?: number;
    readonly calibrated?: number;
    readonly psi?: number;
  }[];
  readonly calibration: { readonly state: string; readonly version: string; readonly verdict: string };
  /** Since the calibration in force was made; absent without one. */
  readonly calibrationAgeSeconds?: number;
  /** Of the gate that decisions were made behind; absent before the first. */
  readonly gate?: { readonly open: boolean; readonly evidence: number };
}

/** Figures of one source over its last samples; what too few samples tell nothing about is absent. */
interface QualityFigures {
  readonly source: string;
  readonly row?: {
    readonly positive: number;
    readonly negative: number;
    readonly gap: number;
    readonly loss: number;
    readonly chance: number;
    readonly accuracy: number;
  };
  readonly drift?: number;
}
