/**
 * The shape of `src`: files, their lengths, import circles and imports upwards (against `scripts/layers.mjs`), types included. Fails on
 * a circle, on an import upwards and on a folder without a layer. `--json` for machines.
 */
import process from 'node:process';
import { readdirSync, readFileSync } from 'node:fs';
import { URL, fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import { LAYERS } from './layers.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const layerOf = (path) => LAYERS.indexOf(path.split('/')[1]);
const where = (layer) => `^src/${layer.endsWith('.ts') ? `${layer.slice(0, -3)}\\.ts$` : `${layer}/`}`;

const forbidden = [
  { name: 'circle', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
  ...LAYERS.slice(0, -1).map((layer, index) => ({
    name: 'upwards',
    severity: 'error',
    from: { path: where(layer) },
    to: { path: LAYERS.slice(index + 1).map(where) },
  })),
];

const { output } = await cruise(['src'], {
  validate: true,
  ruleSet: { forbidden },
  tsPreCompilationDeps: true,
  tsConfig: { fileName: 'tsconfig.json' },
  doNotFollow: { path: 'node_modules' },
  includeOnly: '^src/',
});

const files = readdirSync('src', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => `${entry.parentPath}/${entry.name}`)
  .filter((path) => !path.startsWith('src/generated/'))
  .map((path) => ({ path, lines: readFileSync(path, 'utf8').split('\n').length - 1 }))
  .sort((a, b) => a.lines - b.lines);
const violations = output.summary.violations.map(({ rule, from, to, cycle }) => ({
  rule: rule.name,
  path: cycle ? [from, ...cycle.map(({ name }) => name)] : [from, to],
}));
const strangers = [
  ...new Set(files.filter(({ path }) => layerOf(path) < 0).map(({ path }) => path.split('/')[1])),
];
const figures = {
  files: files.length,
  medianLines: files[Math.floor(files.length / 2)].lines,
  longest: files.at(-1),
  circles: violations.filter(({ rule }) => rule === 'circle').length,
  upwards: violations.filter(({ rule }) => rule === 'upwards').length,
  withoutLayer: strangers,
};

const print = (line) => process.stdout.write(`${line}\n`);
if (process.argv.includes('--json')) print(JSON.stringify({ ...figures, violations }, undefined, 2));
else {
  print(`files          ${figures.files} (without generated ones)`);
  print(
    `lines          median ${figures.medianLines}, longest ${figures.longest.lines} (${figures.longest.path})`,
  );
  print(`import circles ${figures.circles}`);
  print(`upwards        ${figures.upwards}`);
  for (const { rule, path } of violations) print(`  ${rule}: ${path.join(' -> ')}`);
  for (const folder of strangers) print(`  src/${folder} has no layer in scripts/layers.mjs`);
}
process.exitCode = violations.length > 0 || strangers.length > 0 ? 1 : 0;
