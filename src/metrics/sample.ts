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
  readonly quality: readonly QualityFigures[];
  readonly calibration: { readonly state: string; readonly version: string; readonly verdict: string };
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
