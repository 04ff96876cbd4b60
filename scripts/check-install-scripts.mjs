/**
 * `npm ci` runs no install script of a dependency: that of onnxruntime-node would download the CUDA libraries. npm 11 reads it from
 * `allowScripts` in package.json; npm 10 runs the scripts of those packages that the lock marks with `hasInstallScript`, and an
 * `.npmrc` line that skips the download makes newer versions warn. So the lock marks none. An update of such a package puts the
 * mark back: `--write` takes it out again.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { URL, fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

const { allowScripts } = JSON.parse(readFileSync('package.json', 'utf8'));
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const marked = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript);
if (process.argv.includes('--write')) {
  for (const [, entry] of marked) delete entry.hasInstallScript;
  writeFileSync('package-lock.json', `${JSON.stringify(lock, undefined, 2)}\n`);
} else if (marked.length > 0) {
  const names = marked.map(([path]) => path.replace(/^.*node_modules\//, ''));
  const unknown = names.filter((name) => allowScripts[name] !== false);
  process.stderr.write(
    `package-lock.json: npm 10 would run the install scripts of ${names.join(', ')}\n` +
      '  mend: node scripts/check-install-scripts.mjs --write\n' +
      unknown.map((name) => `  and add "${name}": false to allowScripts in package.json\n`).join(''),
  );
  process.exitCode = 1;
}
