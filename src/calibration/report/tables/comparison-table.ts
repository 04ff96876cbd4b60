/** Two checkpoints side by side, as a table and in sentences. */
import { VERDICT_TEXT } from '../../choice/verdict.js';
import type { ComparedFigure, ComparedModel, Comparison } from '../comparison.js';
import { figure, isAboveZero, type Table } from '../figure.js';

export function comparisonTable({ figures, rows, clusters }: Comparison): Table {
  return {
    name: 'comparison',
    title: 'A against B',
    note: `The same ${rows} rows of ${clusters} clusters, batches and chunks; differences paired by row. A better by: above 0 A, below 0 B. One interval in twenty errs, so read the first row first.`,
    columns: ['figure', 'A', 'B', 'A better by', 'better'],
    rows: figures.map((each) => [
      `${each.name} (${each.better} is better)`,
      each.a,
      each.b,
      each.advantage,
      winner(each) ?? 'not shown',
    ]),
  };
}

/** What decides, then each model's verdict and what to know of it. */
export function comparisonRemarks(comparison: Comparison): string[] {
  const [first] = comparison.figures;
  const better = winner(first!);
  return [
    better === undefined
      ? `No difference shown by the ${first!.name}, which decides: A is better by ${figure(first!.advantage)}.`
      : `${better} is better by the ${first!.name}, which decides: A ${figure(first!.a)}, B ${figure(first!.b)}, A better by ${figure(first!.advantage)}.`,
    ...(['a', 'b'] as const).flatMap((side) =>
      modelRemarks(side.toUpperCase(), comparison[side], comparison.rows),
    ),
  ];
}

function modelRemarks(
  name: string,
  { fitted_before: again, ...model }: ComparedModel,
  rows: number,
): string[] {
  const { verdict, reasons } = model.verdict;
  const under =
    model.calibration === null ? 'fitted on the other half of the data' : `calibration ${model.calibration}`;
  return [
    `${name}: ${model.model}, sha256 ${model.weights_digest.slice(0, 12)}, ${model.score} at tau ${model.tau.toPrecision(4)}, ${under}: ${VERDICT_TEXT[verdict]}. ${reasons[0]!}`,
    ...(again === 0
      ? []
      : [
          `${again} of the ${rows} rows were fitted on by the calibration of ${name}: its figures flatter. Compare on other episodes.`,
        ]),
  ];
}

/** Which of the two an interval shows to be better; undefined: neither. */
export function winner({ advantage }: ComparedFigure): 'A' | 'B' | undefined {
  if (isAboveZero(advantage)) return 'A';
  return advantage.high !== null && advantage.high < 0 ? 'B' : undefined;
}
