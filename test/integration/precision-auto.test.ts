/** `serve --precision auto`: int8 is served where the calibration has measured that it chooses the same, and only there. */
import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Calibration } from '../../src/calibration/calibration-schema.js';
import { withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import { startServerProcess } from '../support/server-process.js';

const ROOT = path.join(import.meta.dirname, '../../..');
const DATA = path.join(ROOT, 'models/examples/tiny-reach-calibration.safetensors');

test('precision auto follows what calibrate measured', () =>
  withDirectory(async (directory) => {
    const model = path.join(directory, 'mine');
    await cp(path.join(ROOT, 'models/tiny-reach'), model, { recursive: true });
    const file = path.join(model, 'calibration.json');
    const cardFile = path.join(model, 'energy.json');
    const card = JSON.parse(await readFile(cardFile, 'utf8')) as Record<string, unknown>;
    // 32 episodes, none of which differs, show 89 percent
    await writeFile(cardFile, JSON.stringify({ ...card, int8_agreement: 0.85 }));
    const made = await runCli('calibrate', model, DATA, '--threads', '1', '--provider', 'cpu');
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /serve --precision auto takes int8/);
    const calibration = JSON.parse(await readFile(file, 'utf8')) as Calibration;
    const { int8 } = calibration;
    assert.ok(int8!.same_decided.low! >= 0.85 && int8!.chunks === 'candidates');

    const chosen = async (): Promise<{ precision: string; because?: string }> => {
      const server = await startServerProcess([
        model,
        '--precision',
        'auto',
        '--provider',
        'cpu',
        '--threads',
        '1',
      ]);
      await server.stop();
      const line = server.log.find((text) => text.includes('"precision chosen"'));
      return JSON.parse(line!) as { precision: string; because?: string };
    };
    assert.equal((await chosen()).precision, 'int8');
    const worse = { ...calibration.int8!, same_decided: { value: 0.98, low: 0.8, high: 1 } };
    await writeFile(file, JSON.stringify({ ...calibration, int8: worse }));
    const refused = await chosen();
    assert.equal(refused.precision, 'float32');
    assert.match(
      refused.because!,
      /int8 chooses the same in 98\.0 percent .* shows at least 80\.0; 85\.0 are wanted/,
    );
  }));
