/** Keeping a calibration: refused for other weights, and whole whatever kills the writer. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { calibrate } from '../../../src/calibration/calibrate.js';
import { CALIBRATION_FILE, type Calibration } from '../../../src/calibration/calibration-schema.js';
import type { Fault } from '../../../src/errors.js';
import { loadCalibration, parseCalibration, saveCalibration } from '../../../src/calibration/store.js';
import { withDirectory } from '../../support/bundles.js';
import { fakeEngine } from './fake-engine.js';
import { ACTION_DIM, STATE_DIM, syntheticCard, syntheticData } from './synthetic.js';

const DIGEST = 'ab'.repeat(32);

async function someCalibration(): Promise<Calibration> {
  const engine = fakeEngine(ACTION_DIM, STATE_DIM);
  const data = await syntheticData(60);
  return calibrate({ engine, card: syntheticCard(), weightsDigest: DIGEST, data });
}

describe('calibration store', () => {
  it('keeps what it was given, and nothing where nothing is', () =>
    withDirectory(async (directory) => {
      assert.equal(await loadCalibration(directory, DIGEST), undefined);
      const calibration = await someCalibration();
      await saveCalibration(directory, calibration);
      assert.deepEqual(await loadCalibration(directory, DIGEST), calibration);
      assert.deepEqual(await readdir(directory), [CALIBRATION_FILE]);
    }));

  it("refuses another model's", () =>
    withDirectory(async (directory) => {
      await saveCalibration(directory, await someCalibration());
      await assert.rejects(loadCalibration(directory, 'cd'.repeat(32)), /another model's calibration/);
    }));

  it('names what is wrong in a damaged file', async () => {
    assert.throws(() => parseCalibration('{'), /not JSON/);
    const calibration = await someCalibration();
    const wrong = { ...calibration, better: 'best', scores: { ...calibration.scores, readout: {} } };
    assert.throws(() => parseCalibration(JSON.stringify(wrong)), /better: .*scores\.readout\.temperature/s);
  });

  it('refuses the format of another version, and says what to do', () => {
    const old = JSON.stringify({ format: 'action-energy/calibration/1', version: '0'.repeat(16) });
    assert.throws(
      () => parseCalibration(old),
      (fault: Fault) => fault.kind === 'precondition' && /calibrate MODEL DATA/.test(fault.mend ?? ''),
    );
  });

  it('survives writers killed at any point; the next one cleans up', () =>
    withDirectory(async (directory) => {
      const first = await someCalibration();
      // large, so that a write takes a while
      const large = {
        ...first,
        data: { ...first.data, action_units: new Array<number>(200_000).fill(0.123456789) },
      };
      await saveCalibration(directory, first);
      const module = new URL('../../../src/weights/whole-file.js', import.meta.url).href;
      const source = path.join(directory, 'large.json');
      await writeFile(source, JSON.stringify(large));
      const target = path.join(directory, CALIBRATION_FILE);
      const script = `import { readFileSync } from 'node:fs';
        import { writeWhole } from ${JSON.stringify(module)};
        const text = readFileSync(${JSON.stringify(source)}, 'utf8');
        console.log('writing');
        for (;;) await writeWhole(${JSON.stringify(target)}, text);`;
      let leftovers = 0;
      // until one was killed in the middle: otherwise the test shows nothing
      for (let round = 0; round < 12 || leftovers === 0; round++) {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const exited = once(child, 'exit');
        await once(child.stdout, 'data');
        await sleep((round % 12) * 7);
        child.kill('SIGKILL');
        await exited;
        const found = await loadCalibration(directory, DIGEST);
        assert.ok(found?.version === first.version, 'the old calibration or the new one, whole');
        leftovers += (await readdir(directory)).filter((name) => name.endsWith('.tmp')).length;
      }
      await saveCalibration(directory, first);
      assert.deepEqual((await readdir(directory)).sort(), [CALIBRATION_FILE, 'large.json']);
      assert.equal(
        (await readFile(path.join(directory, CALIBRATION_FILE), 'utf8')).length,
        JSON.stringify(first).length + 1,
      );
    }));
});
