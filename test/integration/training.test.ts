/** Training as a user runs it: reproducible, killed and resumed, refused where it must be, and better for it. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { loadBundle } from '../../src/model/bundle.js';
import type { ModelCard } from '../../src/model/card.js';
import { toFloat32, float32Tensor, type Tensor } from '../../src/tensor/tensor.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { smallCard, withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import {
  DRAWING_LOSSES,
  TASK_CARD as card,
  TASK_SHAPE,
  TaskFolder,
  taskData,
} from '../support/training-task.js';

const { M, S, H, A } = TASK_SHAPE;

function inPlace(
  use: (place: TaskFolder) => Promise<void>,
  tensors = taskData(1),
  model = card,
): Promise<void> {
  return withDirectory(async (directory) => use(await TaskFolder.make(directory, tensors, model)));
}

const FLAGS = ['--batch', '8', '--threads', '2', '--validate-every', '7', '--save-every', '3', '--seed', '5'];

function trainArgs(place: TaskFolder, name: string, ...more: readonly string[]): string[] {
  return place.args(name, ...FLAGS, ...more);
}

test('the same seed gives the same bits, another seed others; a run that is killed and resumed gives them too', async () => {
  await inPlace(async (place) => {
    const losses = ['--epochs', '4', ...DRAWING_LOSSES];
    for (const name of ['one', 'two']) {
      const { code, stderr } = await runCli(...trainArgs(place, name, ...losses));
      assert.equal(code, 0, stderr);
    }
    const wanted = await place.weights('one');
    assert.ok(wanted.equals(await place.weights('two')), 'the same seed');
    await runCli(...trainArgs(place, 'other', ...losses, '--seed', '6'));
    assert.ok(!wanted.equals(await place.weights('other')), 'another seed');

    const whole = await place.log('one');
    let kills = 0;
    // --force, for a kill between the bundle and the end
    const resumed = (): ChildProcess => place.start('killed', ...FLAGS, ...losses, '--resume', '--force');
    // at its start, then where the log says, which it may outrun on a machine that does not look
    let goesOn = true;
    for (const lines of [-1, 0, 2, 5, 9]) {
      goesOn = await place.kill('killed', resumed(), lines);
      if (!goesOn) break;
      kills++;
    }
    assert.ok(kills > 0, 'it was killed');
    if (goesOn) assert.deepEqual(await once(resumed(), 'exit'), [0, null]);
    assert.ok(wanted.equals(await place.weights('killed')), `killed ${kills} times`);
    assert.deepEqual(
      (await place.log('killed')).slice(0, -1),
      whole.slice(0, -1),
      'the log has no gap and no double',
    );
  });
});

/** The same task for a model without a norm over the action dims, which sees how far a chunk goes. */
function globalTask(): { tensors: Map<string, Tensor>; card: ModelCard } {
  const tensors = taskData(1);
  const whole = toFloat32('hidden', tensors.get('hidden')!);
  const first = Float32Array.from({ length: M * 8 }, (_, i) => whole[Math.floor(i / 8) * S * 8 + (i % 8)]!);
  tensors.set('hidden', float32Tensor([M, 8], first));
  const settings = { state_dim: 8, hidden: 16, action_dim: 3, readout: { kind: 'linear' }, tau: 1, chunk: H };
  return { tensors, card: smallCard({ architecture: 'global_context', ...settings }) };
}

test('ranking by outcome learns to choose: regret falls, order agrees, the bundle serves at once', async () => {
  const task = globalTask();
  await inPlace(
    async (place) => {
      const flags = ['--epochs', '30', '--loss', 'rank', '--dropout', '0', '--lr', '3e-3', '--json', '--patience', '0', '--validation', '0.25']; // prettier-ignore
      const { code, stdout, stderr } = await runCli(...trainArgs(place, 'ranked', ...flags));
      assert.equal(code, 0, stderr);
      const result = JSON.parse(stdout) as { decisive: { contexts: number; of: number }; log: string };
      assert.deepEqual(result.decisive, { contexts: 64, of: 96 });
      const lines = (await readFile(result.log, 'utf8')).trim().split('\n');
      const validations = lines.map((line) => JSON.parse(line) as Record<string, number>).filter(({ kind }) => String(kind) === 'validation'); // prettier-ignore
      const [first] = validations;
      const best = validations.reduce((a, b) => (b['regret']! < a['regret']! ? b : a));
      assert.ok(best['regret']! < 0.8 * first!['regret']!, `regret ${first!['regret']} to ${best['regret']}`);
      assert.ok(best['rank_correlation']! > 0.5, `rank correlation ${best['rank_correlation']}`);
      const bundle = await loadBundle(path.join(place.directory, 'ranked'));
      assert.equal(bundle.card.name, 'ranked');
      await writeFile(place.data, writeSafetensors(new Map([...task.tensors].filter(([name]) => ['hidden', 'candidates'].includes(name))))); // prettier-ignore
      const scored = await runCli(
        ...['score', path.join(place.directory, 'ranked'), place.data, '--json', '--provider', 'cpu'],
      );
      assert.equal(scored.code, 0, scored.stderr);
      await writeFile(place.data, writeSafetensors(task.tensors));
      // goes on from a bundle, beside InfoNCE
      const more = ['--epochs', '1', '--loss', 'outcome', '--loss', 'swap', '--loss', 'listwise', '--loss', 'hinge', '--loss', 'margin', '--loss', 'alignment:0.1']; // prettier-ignore
      const from = [
        'train',
        place.data,
        '--from',
        path.join(place.directory, 'ranked'),
        '-o',
        path.join(place.directory, 'on'),
      ];
      const again = await runCli(...[...from, ...FLAGS, ...more]);
      assert.equal(again.code, 0, again.stderr);
    },
    task.tensors,
    task.card,
  );
});

test('negatives by name: those that are asked for, and a refusal of what the data do not have', async () => {
  const layers = float32Tensor(
    [2, M, H, A],
    Float32Array.from({ length: 2 * M * H * A }, (_, i) => Math.sin(i)),
  );
  const loss = async (place: TaskFolder, ...negatives: readonly string[]): Promise<number> => {
    const name = negatives.join('_') || 'all';
    const flags = ['--updates', '1', '--loss', 'explicit', '--validation', '0', '--dropout', '0'];
    const asked = negatives.length > 0 ? ['--negatives', negatives.join(',')] : [];
    const { code, stderr } = await runCli(...trainArgs(place, name, ...flags, ...asked));
    assert.equal(code, 0, stderr);
    const log = await readFile(path.join(place.directory, `${name}.training`, 'log.jsonl'), 'utf8');
    return (JSON.parse(log.split('\n')[0]!) as { energy_loss: number }).energy_loss;
  };
  await inPlace(
    async (place) => {
      const losses = [
        await loss(place),
        await loss(place, 'layer'),
        await loss(place, 'layer_noise'),
        await loss(place, 'candidates'),
        await loss(place, 'layer_noise', 'candidates'),
      ];
      assert.equal(new Set(losses).size, losses.length, 'each its own negatives');
      const refused = await runCli(
        ...trainArgs(place, 'no', '--loss', 'explicit', '--negatives', 'gripper_flip'),
      );
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /--negatives: no gripper_flip negatives.*the card declares no gripper/s);
      const unknown = await runCli(...trainArgs(place, 'no', '--negatives', 'layers'));
      assert.equal(unknown.code, 2);
      assert.match(unknown.stderr, /layers.*layer_noise/s);
    },
    taskData(1, { layer_actions: layers }),
  );
});

test('a value that is not finite stops the step by name and leaves the saved state as it was', async () => {
  const poisoned = new Float32Array(M * S * 8).map((_, i) => Math.sin(i));
  poisoned[50 * S * 8 + 3] = NaN;
  const tensors = taskData(1, { hidden: float32Tensor([M, S, 8], poisoned) });
  await inPlace(async (place) => {
    const { code, stderr } = await runCli(...trainArgs(place, 'bad', '--validation', '0'));
    assert.equal(code, 2);
    assert.match(stderr, /hidden: not finite: the step is not made[^]*rows [^]*50/);
    await assert.rejects(place.weights('bad'));
  }, tensors);
});

test('refused: outcome alone, losses without their data, no beginning, a state of another run, a bundle that is there', async () => {
  const bare = new Map(
    [...taskData(2)].filter(([name]) => !['candidates', 'candidate_cost', 'outcome'].includes(name)),
  );
  await inPlace(async (place) => {
    const refused = async (args: readonly string[], pattern: RegExp): Promise<void> => {
      const { code, stderr } = await runCli(...args);
      assert.notEqual(code, 0);
      assert.match(stderr, pattern);
    };
    await refused(trainArgs(place, 'x', '--loss', 'outcome'), /worse than no model[^]*--force/);
    await refused(trainArgs(place, 'x', '--loss', 'rank'), /candidate_cost: the data have none/);
    await refused(
      trainArgs(place, 'x', '--loss', 'swap', '--loss', 'outcome'),
      /outcome: the data have none/,
    );
    await refused(trainArgs(place, 'x', '--loss', 'swap:0'), /--loss: not a loss/);
    await refused(['train', place.data, '-o', path.join(place.directory, 'x')], /neither --from nor --card/);
    await refused(trainArgs(place, 'x', '--batch', '95'), /too few rows for a batch/);
    const { code } = await runCli(...trainArgs(place, 'x', '--epochs', '1'));
    assert.equal(code, 0);
    await refused(trainArgs(place, 'x', '--epochs', '1'), /a model bundle is already there/);
    await refused(
      trainArgs(place, 'x', '--epochs', '2', '--resume', '--force'),
      /is of a run with other settings/,
    );
  }, bare);
});
