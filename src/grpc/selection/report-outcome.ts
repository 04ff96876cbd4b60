/** ReportOutcome, from message to report and back. */
import { invalid } from '../../errors.js';
import type { ReportOutcomeRequest__Output } from '../../generated/action_energy/v1/ReportOutcomeRequest.js';
import type { ReportOutcomeResponse } from '../../generated/action_energy/v1/ReportOutcomeResponse.js';
import * as serving from '../../serving/reporting.js';
import type { Scope } from '../../serving/scope.js';
import type { Parsed } from '../../wire/request.js';

/** Errors: everything that the contract says of a wrong report. */
export function reportOutcome(
  parts: serving.ReportingParts,
  { message }: Parsed<ReportOutcomeRequest__Output>,
  scope: Scope,
): ReportOutcomeResponse {
  const { requestId, executedIndex: executed, baselineCost, wholeEpisode } = message;
  const { decisions, notCounted, monitor } = serving.reportOutcome(
    parts,
    {
      requestId,
      executed,
      cost: costOf(message),
      baselineCost: baselineCost === undefined ? undefined : Number(baselineCost),
      wholeEpisode,
    },
    scope,
  );
  return {
    decisions,
    counted: notCounted === undefined,
    notCounted: notCounted ?? '',
    ...(monitor && {
      monitor: {
        open: monitor.open,
        evidence: monitor.evidence,
        closesAt: monitor.closesAt,
        outcomes: String(monitor.outcomes),
      },
    }),
  };
}

function costOf({ outcome, success, cost }: ReportOutcomeRequest__Output): number {
  switch (outcome) {
    case 'success':
      return success === true ? 0 : 1;
    case 'cost':
      return Number(cost);
    default:
      throw invalid('outcome', 'missing', { found: 'nothing', wanted: 'success or cost' });
  }
}
