/** All tables of a report that have rows, in the order of the page. */
import type { NamedReport } from '../reported.js';
import type { Table } from '../table.js';
import { controlTable, correlationTable, curveTable, gateTable } from './choosing.js';
import { lossTable, negativeTable, structureTable } from './chunks.js';
import { comparisonTable } from './comparison.js';
import { int8Table, keyFigures, marginTable, pValueTable, scoreTable } from './key-figures.js';
import { provenanceTable } from './provenance.js';
import { hardestTable, taskTable, timeTable, worstPickTable } from './rows.js';
import { tokenGroupTable } from './token-groups.js';

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
