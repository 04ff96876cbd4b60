/** Outcomes of decisions: to the monitor of the gate, and to whoever recorded them. */
import type { Logger } from 'pino';
import { invalid } from '../errors.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Report, Reported } from './decisions.js';
import type { ModelRegistry } from './model-registry.js';
import type { Scope } from './scope.js';

export interface ReportingParts {
  readonly models: ModelRegistry;
  readonly metrics: Pick<Metrics, 'outcomes'>;
  readonly log: Logger;
}

/** Errors: costs outside 0 to 1; `not_found` a decision that no model remembers. */
export function reportOutcome(
  { models, metrics, log }: ReportingParts,
  report: Report,
  scope: Scope,
): Reported {
  checkedCost('cost', report.cost);
  if (report.baselineCost !== undefined) checkedCost('baseline_cost', report.baselineCost);
  const model = models.models.find(({ decisions }) => decisions.knows(report.requestId)) ?? models.get('');
  scope.model = model.name;
  const reported = model.decisions.report(report, scope.caller.owner);
  metrics.outcomes.inc({ model: model.name, counted: String(reported.notCounted === undefined) });
  const { monitor, closed } = reported;
  if (closed && monitor) {
    log.error(
      { model: model.name, evidence: monitor.evidence, outcomes: monitor.outcomes, bound: monitor.bound },
      'reported outcomes refute the bound of the gate: from here on energy rules answer with the baseline',
    );
  }
  return reported;
}

function checkedCost(field: string, cost: number): void {
  if (cost >= 0 && cost <= 1) return;
  throw invalid(field, 'not a cost', { found: String(cost), wanted: '0, as good as can be, to 1' });
}
