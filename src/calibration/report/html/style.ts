/** Styles of the page: one column of sections, tables that become cards on a narrow screen, at most six printed pages. */
import { SVG_STYLE } from './svg.js';

export const STYLE = `
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 1040px; }
h1 { font-size: 1.65rem; margin: 0 0 .8rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .5rem; padding-top: .5rem; border-top: 1px solid #d5d9de; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p, li { max-width: 82ch; }
li { overflow-wrap: anywhere; }
p { margin: .3rem 0 .7rem; }
.quiet, p.note { color: #5a626d; font-size: .87rem; }
.verdict { border-left: 6px solid #6b7480; background: #f3f5f7; padding: .7rem 1rem .8rem; margin: 0 0 1rem; }
.verdict.must_not_choose { border-color: #a32020; background: #fbf1f0; }
.verdict.may_choose { border-color: #1d7a4c; background: #eef7f1; }
.verdict.may_choose_behind_gate { border-color: #c98a00; background: #fdf6e3; }
.verdict b { display: block; font-size: 1.3rem; line-height: 1.3; }
.verdict ul { margin: .4rem 0 0; padding-left: 1.1rem; font-size: .93rem; }
.warning-line { border: 1.5px solid #a32020; color: #a32020; font-weight: 600; padding: .4rem .8rem; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; font-size: .9rem; color: #3b424b; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; font-variant-numeric: tabular-nums; border-top: 1.5px solid #1b1f24; border-bottom: 1.5px solid #1b1f24; }
th { text-align: left; font-weight: 600; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #1b1f24; vertical-align: bottom; }
td { padding: .2rem .8rem .2rem 0; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { overflow-wrap: normal; }
tbody tr + tr td { border-top: 1px solid #eceef1; }
.ci { color: #6b7480; white-space: nowrap; font-size: .92em; }
.stacked .ci { display: block; } .stacked td:first-child { min-width: 4.4em; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2.2rem; align-items: start; }
.pair > * { min-width: 0; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 1.2rem 1.6rem; margin-top: 1rem; }
figure { margin: 0; break-inside: avoid; min-width: 0; }
figcaption { font-size: .83rem; color: #3b424b; margin-top: .2rem; }
svg { width: 100%; height: auto; display: block; }
.level { display: inline-block; min-width: 4.6em; text-align: center; border-radius: 3px; font-size: .78rem; padding: 0 .35em; background: #eceef1; }
.doctor td:first-child { white-space: nowrap; }
.failure .level { background: #a32020; color: #fff; } .warning .level { background: #f2b84b; }
${SVG_STYLE}
@media screen and (max-width: 760px) {
  body { padding: 1rem .9rem 3rem; }
  .plots, .pair, dl { grid-template-columns: minmax(0, 1fr); }
  dd { margin-bottom: .4rem; }
  .cards, .cards tbody, .cards tr { display: block; }
  .cards thead { display: none; }
  .cards tbody tr { padding: .45rem 0; }
  .cards tbody tr + tr { border-top: 1px solid #c9ced4; }
  .cards tbody tr + tr td { border-top: none; }
  .cards td { display: grid; grid-template-columns: 11.5rem minmax(0, 1fr); gap: 0 .6rem; padding: .08rem 0; }
  .cards td::before { content: attr(data-label); color: #5a626d; }
  .cards td:first-child { display: block; font-weight: 600; }
  .cards td:first-child::before { content: none; }
  .cards td:empty { display: none; }
  .stacked .ci { display: inline; }
}
@media print {
  @page { size: A4; margin: 11mm 14mm; }
  html { font-size: 8.2pt; }
  body { padding: 0; max-width: none; font-size: 1rem; line-height: 1.36; }
  h2 { margin-top: 1.3rem; } h3 { margin-top: .9rem; }
  h2, h3, p.note { break-after: avoid; }
  p, li { max-width: none; }
  td, th { padding-right: .6rem; } td { padding-top: .1rem; padding-bottom: .1rem; }
  tr, .verdict { break-inside: avoid; }
  .plots { display: block; }
  .plots figure { display: inline-block; width: 46.5%; margin: 0 5% .7rem 0; vertical-align: top; }
  .plots figure:nth-child(even) { margin-right: 0; }
  .verdict, .level, .warning-line { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
