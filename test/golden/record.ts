/**
 * `node dist/test/golden/record.js PATH/dist/src/cli/main.js`: asks the recorded requests of another version of the command
 * and keeps its energies in `test/golden/recorded/`. The version recorded there is the one before the redesign (ce32249); for
 * int8, whose products saturated then, the first one in which they do not.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { withDirectory } from '../support/bundles.js';
import { record, thisMachine } from './recorded.js';

const main = process.argv[2];
if (main === undefined) throw new Error('usage: record.js PATH/dist/src/cli/main.js');
const directory = fileURLToPath(new URL('../../../test/golden/recorded/', import.meta.url));
await mkdir(directory, { recursive: true });
for (const precision of ['float32', 'int8'] as const) {
  const found = await withDirectory((models) => record(models, precision, main));
  await writeFile(`${directory}${precision}.safetensors`, writeSafetensors(found));
}
await writeFile(`${directory}machine.json`, `${JSON.stringify(thisMachine(), null, 1)}\n`);
