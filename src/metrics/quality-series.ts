/** The live quality series, read at each scrape from what the served models remember (`src/quality/live-quality.ts`). */
import { Gauge, type Registry } from 'prom-client';
import type { InfonceRow } from '../quality/infonce-row.js';
import type { QualityFigures } from '../quality/live-quality.js';

export interface QualitySample {
  readonly model: string;
  readonly quality: readonly QualityFigures[];
  readonly calibration: { readonly state: string; readonly version: string };
}

const WINDOW = 'mean of the last 256 samples of at most 10 minutes';

/** Label `source`: expert and executed as callers say, best where nobody does, which flatters the model. */
export function registerQualitySeries(registry: Registry, sample: () => readonly QualitySample[]): void {
  const registers = [registry];
  const series = (
    name: string,
    help: string,
    read: (figures: QualityFigures) => number | undefined,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ['model', 'source'],
      registers,
      collect() {
        this.reset();
        for (const { model, quality } of sample()) {
          for (const figures of quality) {
            const value = read(figures);
            if (value !== undefined) this.set({ model, source: figures.source }, value);
          }
        }
      },
    });
  };
  const mean = (name: string, help: string, column: keyof InfonceRow): void =>
    series(name, `${help}; ${WINDOW}`, ({ row }) => row?.[column]);

  mean(
    'action_energy_positive_energy',
    'Energy of the right chunk, as the model card defines it',
    'positive',
  );
  mean('action_energy_negative_energy', 'Energy of chunks of other moments in the same context', 'negative');
  mean('action_energy_energy_gap', 'Negative less positive energy: towards 0 the model stops telling', 'gap');
  mean('action_energy_infonce_loss', 'InfoNCE loss of the right chunk among those, nats', 'loss');
  mean('action_energy_infonce_chance', 'That loss for a model without preference', 'chance');
  mean(
    'action_energy_infonce_accuracy',
    'Share of samples whose right chunk is below all others',
    'accuracy',
  );
  series(
    'action_energy_drift_psi',
    'Population stability index of the last 1024 energies of right chunks against the experts of the calibration: above 0.25 the inputs are not what was calibrated on (source best is lower than experts by nature)',
    ({ drift }) => drift,
  );
  new Gauge({
    name: 'action_energy_calibration_info',
    help: "1 for how each model is calibrated: state NONE, APPLIED or REFUSED (another model's, or damaged)",
    labelNames: ['model', 'state', 'version'],
    registers,
    collect() {
      this.reset();
      for (const { model, calibration } of sample()) this.set({ model, ...calibration }, 1);
    },
  });
}
