/** Two checkpoints on one page, in the looks of the report's. */
import type { Comparison } from '../../compare.js';
import { comparisonRemarks, comparisonTable, winner } from '../tables/comparison.js';
import { listHtml, tableHtml } from './elements.js';
import { STYLE } from './style.js';
import { escapeText } from './svg.js';

/** The looks of a verdict: A is better, nothing is shown, B is. */
const LOOKS = { A: 'may_choose', none: 'may_choose_behind_gate', B: 'must_not_choose' } as const;

/** Self-contained HTML. Every text from outside is escaped. */
export function renderComparison(comparison: Comparison): string {
  const title = `${comparison.a.model} against ${comparison.b.model}`;
  const [decides, ...about] = comparisonRemarks(comparison);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeText(title)}</h1>
<div class="verdict ${LOOKS[winner(comparison.figures[0]!) ?? 'none']}"><b>${escapeText(decides!)}</b>${listHtml(about)}</div></header>
<main>
<section>${tableHtml(comparisonTable(comparison))}</section>
</main>
</body>
</html>
`;
}
