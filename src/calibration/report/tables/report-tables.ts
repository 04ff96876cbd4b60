/** All tables of a report that have rows, in the order of the page; and the last, where the figures come from. */
import type { NamedReport } from '../reported.js';
import type { Table } from '../figure.js';
import { controlTable, correlationTable, curveTable, gateTable } from './choosing.js';
import { lossTable, negativeTable, structureTable, tokenGroupTable } from './chunks.js';
import { comparisonTable } from './comparison-table.js';
import { int8Table, keyFigures, marginTable, pValueTable, scoreTable } from './key-figures.js';
import { hardestTable, taskTable, timeTable, worstPickTable } from './rows.js';
import { VERDICT_TEXT } from '../../choice/verdict.js';

export function reportTables(named: NamedReport): Table[] {
  const { report, int8, comparison } = named;
  const { choice } = report;
  const tables = [
    ...(comparison === undefined ? [] : [comparisonTable(comparison)]),
    ...(choice === null
      ? []
      : [controlTable, curveTable, correlationTable, gateTable].map((of) => of(choice))),
    keyFigures(named),
    ...[taskTable, timeTable, hardestTable, worstPickTable, negativeTable, lossTable, structureTable].map(
      (of) => of(report),
    ),
    ...(report.token_groups === null ? [] : [tokenGroupTable(report.token_groups)]),
    scoreTable(named),
    pValueTable(report),
    marginTable(named),
    ...(int8 === undefined ? [] : [int8Table(int8)]),
    provenanceTable(named),
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

export function provenanceTable({
  model,
  weightsDigest,
  version,
  created,
  data,
  report,
  environment,
  choice,
  better,
  comparison,
}: NamedReport): Table {
  const { split, seed, near_duplicate: nearDuplicate, sources } = data;
  const gate = choice?.gates[better];
  return {
    name: 'provenance',
    title: 'Provenance',
    note: 'Digests are sha256, of files as `sha256sum` prints them. With the same seed, weights, data and versions the figures are the same.',
    columns: ['fact', 'value'],
    rows: [
      ['model', model],
      ['verdict', VERDICT_TEXT[report.verdict.verdict]],
      ['weights, sha256', weightsDigest],
      ['calibration', version === null ? 'fitted for this report alone' : `${version}, ${created}`],
      ...(comparison === undefined
        ? []
        : [
            ['compared with', comparison.b.model],
            ['its weights, sha256', comparison.b.weights_digest],
            ['its calibration', comparison.b.calibration ?? 'fitted for this report alone'],
          ]),
      ...sources.flatMap(({ name, rows, bytes, sha256 }) => [
        ['data', `${name}, ${rows} rows, ${bytes} bytes`],
        ['data, sha256', sha256 ?? 'not a file: sent over the wire'],
      ]),
      [
        'split',
        split === null
          ? 'all rows reported on'
          : `by ${split.by}: ${split.fit_rows} rows fitted, ${split.held_out_rows} reported on, ${split.clusters} clusters`,
      ],
      [
        'rows',
        `${report.rows} reported on in ${report.clusters} clusters, ${report.fitted_before} of them fitted on`,
      ],
      [
        'settings',
        `seed ${seed}, batch ${report.batch}, near-duplicates below ${nearDuplicate} action units root mean square`,
      ],
      [
        'intervals',
        '95 percent, jackknife over clusters with t; shares by Clopper and Pearson at the effective number of rows',
      ],
      [
        'gate',
        gate == null
          ? 'none'
          : `learn-then-test on the fitted rows: harm at most ${gate.alpha} with ${1 - gate.delta} confidence`,
      ],
      [
        'versions',
        `action-energy ${environment.action_energy}, ONNX Runtime ${environment.onnxruntime}, Node ${environment.node}, ${environment.platform}`,
      ],
      [
        'computed on',
        `${environment.provider}, context encoder in ${environment.precision}, threads ${environment.threads}`,
      ],
    ],
  };
}
