/** Tables as files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvText, latexText } from '../../../src/calibration/report/figure-files.js';
import { tableLines, type Table } from '../../../src/calibration/report/figure.js';

const table: Table = {
  name: 'table',
  title: 'A title',
  note: 'How to read it.',
  columns: ['kind', 'cost', 'rows', 'what_was "done"'],
  rows: [
    ['a, b', { value: 0.25, low: 1.5e-4, high: 0.5 }, 12, '50 % of $x_1$ & \\more'],
    ['c', '', 3, ''],
    ['d', { value: null, low: null, high: null }, null, 'x'],
    ['e', { value: 1 / 3, low: null, high: null }, 0.125, '|d| < 2'],
  ],
};

test('CSV has three columns for a value with its interval, whole numbers and quoted text', () => {
  assert.equal(
    csvText(table),
    [
      'kind,cost,cost low,cost high,rows,"what_was ""done"""',
      '"a, b",0.25,0.00015,0.5,12,50 % of $x_1$ & \\more',
      'c,,,,3,',
      'd,,,,,x',
      `e,${1 / 3},,,0.125,|d| < 2`,
      '',
    ].join('\n'),
  );
});

test('LaTeX escapes text, aligns numbers and writes powers of ten', () => {
  assert.equal(
    latexText(table),
    String.raw`% A title. How to read it.
\begin{tabular}{lrrl}
\toprule
kind & cost & rows & what\_was "done" \\
\midrule
a, b & $0.250$ {\footnotesize [$1.50\cdot 10^{-4}$, $0.500$]} & $12$ & 50 \% of \$x\_1\$ \& \textbackslash{}more \\
c &  & $3$ &  \\
d & n/a & n/a & x \\
e & 0.333 [n/a] & $0.125$ & \textbar{}d\textbar{} \textless{} 2 \\
\bottomrule
\end{tabular}
`,
  );
});

test('the terminal has columns as wide as their widest cell', () => {
  assert.deepEqual(
    tableLines({
      columns: ['a', 'b'],
      rows: [
        ['long', 1.5],
        ['x', null],
      ],
    }),
    ['  a     b', '  long  1.500', '  x     n/a'],
  );
});
