/** TrainStep against a real server: the bits of `train`, what it refuses and leaves as it was, and what it gives back. */
import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { status as Code, type Client } from '@grpc/grpc-js';
import { calibrationData } from '../../src/calibration/data/calibration-data.js';
import { memoryColumns } from '../../src/calibration/data/columns.js';
import type { CalibrationRows } from '../../src/generated/action_energy/v1/CalibrationRows.js';
import type { TrainingRecipe } from '../../src/generated/action_energy/v1/TrainingRecipe.js';
import type { TrainStepResponse__Output } from '../../src/generated/action_energy/v1/TrainStepResponse.js';
import type { TrainStepRequest } from '../../src/generated/action_energy/v1/TrainStepRequest.js';
import type { Status__Output } from '../../src/generated/google/rpc/Status.js';
import { loadBundle, saveBundle } from '../../src/model/bundle.js';
import { actionScale, batchSource } from '../../src/training/batches.js';
import { initialWeights } from '../../src/training/initial.js';
import { float32Tensor } from '../../src/tensor/tensor.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { contract } from '../../src/wire/contract.js';
import { smallCard, withDirectory } from '../support/bundles.js';
import { runCli } from '../support/cli.js';
import {
  addressOf,
  badField,
  call,
  failure,
  openClient,
  startTestServer,
  tensorMessage,
  until,
  type Flags,
} from '../support/service.js';
import { seededRandom } from '../../src/random.js';
import { batchMessage, openTraining, type TrainingStream } from '../support/training-stream.js';
import { TASK_CARD, TASK_SHAPE, taskData } from '../support/training-task.js';

const { TrainStep } = contract.training;
const B = 8;
const tensors = taskData(1);
const CARD = JSON.stringify(TASK_CARD);
const FIRST = Int32Array.from({ length: B }, (_, i) => i * 5);
const RECIPE: TrainingRecipe = { seed: 5, learningRate: 1e-3 };

interface Site {
  readonly client: Client;
  readonly models: string;
  readonly stop: (drainMs?: number) => Promise<void>;
}

async function serving(use: (site: Site) => Promise<void>, flags: Flags = { training: true }): Promise<void> {
  await withDirectory(async (directory) => {
    const models = path.join(directory, 'models');
    await saveBundle(path.join(models, 'base'), TASK_CARD, initialWeights(TASK_CARD, 1));
    const server = await startTestServer(models, flags);
    const client = openClient(addressOf(server));
    try {
      await use({ client, models, stop: (drainMs) => server.close(drainMs) });
    } finally {
      client.close();
      await server.close();
    }
  });
}

async function begun(client: Client, recipe = RECIPE): Promise<TrainingStream> {
  const training = openTraining(client);
  const { started } = await training.send({ start: { cardJson: CARD, recipe } });
  assert.ok(started);
  return training;
}

/** Status and field of a refusal. */
function refusal(error: Status__Output | null | undefined): { code: number; field: string; message: string } {
  assert.ok(error, 'refused');
  const detail = error.details.find((each) => 'type_url' in each && each.type_url.endsWith('BadRequest'));
  const bytes = detail && 'value' in detail ? detail.value : undefined;
  const field = bytes && contract.badRequest.deserialize(bytes).fieldViolations[0]?.field;
  return { code: error.code, field: field ?? '', message: error.message };
}

describe('TrainStep', () => {
  it('gives the bits of `train` on the same batches, and a bundle that Reload serves', () =>
    serving(async ({ client, models }) => {
      const losses = [{ kind: 'swap' }, { kind: 'rank', weight: 0.5 }, { kind: 'listwise', weight: 0.25 }, { kind: 'outcome', weight: 0.5 }]; // prettier-ignore
      const flags = [
        '--loss',
        'swap',
        '--loss',
        'rank:0.5',
        '--loss',
        'listwise:0.25',
        '--loss',
        'outcome:0.5',
      ];
      const run = ['--seed', '5', '--lr', '1e-3', '--threads', '1', '--batch', String(B), '--epochs', '9', '--validation', '0']; // prettier-ignore
      const rates = ['--updates', '12', '--accumulate', '2', '--schedule', 'cosine', '--ramp', '3', '--energy-warm-steps', '2']; // prettier-ignore
      await withDirectory(async (directory) => {
        const file = path.join(directory, 'data.safetensors');
        const card = path.join(directory, 'card.json');
        await writeFile(file, writeSafetensors(tensors));
        await writeFile(card, CARD);
        const out = path.join(directory, 'trained');
        const { code, stderr } = await runCli(
          'train',
          file,
          '--card',
          card,
          '-o',
          out,
          ...flags,
          ...run,
          ...rates,
        );
        assert.equal(code, 0, stderr);

        const recipe: TrainingRecipe = { ...RECIPE, losses, updates: 12, accumulate: 2, schedule: 'COSINE', rampUpdates: 3, energyWarmSteps: 2 }; // prettier-ignore
        const training = await begun(client, recipe);
        const data = await calibrationData([memoryColumns('data', tensors)], TASK_CARD);
        const source = batchSource(data, TASK_CARD, ['swap'], 5, await actionScale(data, TASK_CARD));
        const all = Int32Array.from({ length: TASK_SHAPE.M }, (_, row) => row);
        let updates = 0;
        for (let epoch = 0; updates < 12; epoch++) {
          for await (const rows of source.epoch(all, epoch, B)) {
            const figures = await training.step(batchMessage(tensors, rows));
            updates = Number(figures.updates);
            if (updates === 12) break;
          }
        }
        const late = await training.send({ rows: batchMessage(tensors, FIRST) });
        assert.equal(refusal(late.error).code, Code.FAILED_PRECONDITION, 'no update after the last');
        const { saved } = await training.send({ save: { name: 'streamed' } });
        assert.equal(await training.end(), undefined);
        const weights = (folder: string): Promise<Buffer> =>
          readFile(path.join(folder, 'weights.safetensors'));
        assert.ok((await weights(out)).equals(await weights(path.join(models, 'streamed'))), 'the same bits');
        const { digest } = await loadBundle(path.join(models, 'streamed'));
        assert.equal(saved?.model?.digest, digest);
        const reloaded = await call(client, contract.admin.Reload, { model: 'streamed' });
        assert.equal(reloaded.models[0]?.digest, digest);
      });
    }));

  it('tells what a step did, learns, and counts what it gathers', () =>
    serving(async ({ client }) => {
      const training = await begun(client, { ...RECIPE, accumulate: 2, energyWarmSteps: 2, dropout: 0 });
      const rows = batchMessage(tensors, FIRST);
      const first = await training.step(rows);
      assert.equal(first.step, '1');
      assert.equal(first.gradientNorm, undefined);
      const second = await training.step(rows);
      assert.ok(second.gradientNorm! > 0);
      assert.equal(second.learningRate, 0, 'a warm step');
      assert.equal(second.updates, '0');
      let last = second;
      for (let i = 0; i < 60; i++) last = await training.step(rows);
      assert.equal(last.updates, '30');
      assert.equal(last.learningRate, 1e-3);
      assert.ok(last.energyLoss < first.energyLoss, `${first.energyLoss} to ${last.energyLoss}`);
      assert.ok(last.positiveEnergy! < last.negativeEnergy!);
      assert.ok(last.accuracy! >= first.accuracy!);
      await training.end();
    }));

  it('refuses what is wrong with a batch by its field; the next step is as if it had never come', () =>
    serving(async ({ client }) => {
      const good = batchMessage(tensors, FIRST);
      const clean = await begun(client);
      const wanted = [await clean.step(good), await clean.step(good)];
      await clean.end();

      const nan = (bytes: Uint8Array, at: number): Buffer => {
        const copy = Buffer.from(bytes);
        copy.writeFloatLE(NaN, at);
        return copy;
      };
      const f32 = (shape: readonly number[]): Float32Array =>
        new Float32Array(shape.reduce((product, size) => product * size, 1));
      const tensor = (...shape: readonly number[]): NonNullable<CalibrationRows['hidden']> =>
        tensorMessage(float32Tensor(shape, f32(shape)));
      const bfloat16NaN = Buffer.from(good.hidden!.data as Buffer);
      bfloat16NaN.writeUInt16LE(0x7fc0, 0);
      const { S, H, A, N } = TASK_SHAPE;
      const wrong: [CalibrationRows, RegExp][] = [
        [{}, /hidden/],
        [{ ...good, hidden: null }, /hidden/],
        [{ ...good, hidden: tensor(B, S, 7) }, /hidden/],
        [{ ...good, hidden: tensor(0, S, 8) }, /hidden/],
        [{ ...good, hidden: { ...good.hidden, dtype: 'BOOL' } }, /hidden/],
        [{ ...good, hidden: { ...good.hidden, data: Buffer.alloc(3) } }, /hidden/],
        [{ ...good, hidden: { ...good.hidden, data: bfloat16NaN } }, /hidden/],
        [{ ...good, hidden: { ...good.hidden, shape: [2 ** 40, 2 ** 40, 8] } }, /hidden/],
        [{ ...good, actions: { ...good.actions, data: nan(good.actions!.data as Buffer, 4) } }, /actions/],
        [{ ...good, actions: tensor(B, H + 1, A), candidates: null, candidateCost: null }, /rows/],
        [batchMessage(tensors, FIRST.subarray(0, 4)), /actions/],
        [batchMessage(tensors, FIRST.subarray(0, 1)), /actions/],
        [{ ...good, padMask: tensor(B, S) }, /pad_mask/],
        [{ ...good, candidates: tensor(B, N + 1, H, A) }, /candidate_cost/],
        [{ ...good, episodeId: [NaN, ...good.episodeId!.slice(1)] }, /episode_id/],
        [{ ...good, outcome: [1] }, /outcome/],
        [{ ...good, taskId: FIRST.length === B ? Array<number>(B).fill(1) : [] }, /rows/],
      ];
      const training = await begun(client);
      assert.deepEqual(await training.step(good), wanted[0]);
      for (const [i, [rows, field]] of wrong.entries()) {
        const found = refusal((await training.send({ rows })).error);
        assert.equal(found.code, Code.INVALID_ARGUMENT, `${i}: ${found.message}`);
        assert.match(`${found.field}: ${found.message}`, field, String(i));
      }
      for (const message of [
        {},
        { start: { cardJson: CARD } },
        { save: { name: '../out' } },
      ] as TrainStepRequest[]) {
        assert.equal(refusal((await training.send(message)).error).code, Code.INVALID_ARGUMENT);
      }
      assert.deepEqual(await training.step(good), wanted[1]);
      await training.end();
    }));

  it('refuses a message that is cut anywhere, and goes on', () =>
    serving(async ({ client }) => {
      const stream = client.makeBidiStreamRequest(
        TrainStep.path,
        (bytes: Buffer) => bytes,
        TrainStep.responseDeserialize,
      );
      const answers = on(stream, 'data') as AsyncIterableIterator<[TrainStepResponse__Output]>;
      const ask = async (bytes: Buffer): Promise<TrainStepResponse__Output> => {
        stream.write(bytes);
        const { value } = (await answers.next()) as { value: [TrainStepResponse__Output] };
        return value[0];
      };
      const start = TrainStep.requestSerialize({ start: { cardJson: CARD, recipe: RECIPE } });
      assert.ok((await ask(start)).started);
      const rows = TrainStep.requestSerialize({ rows: batchMessage(tensors, FIRST) });
      const random = seededRandom(1, 'cuts');
      for (let i = 0; i < 200; i++) {
        const cut = Math.floor(random.uniform() * rows.length);
        assert.equal(refusal((await ask(rows.subarray(0, cut))).error).code, Code.INVALID_ARGUMENT, `${cut}`);
      }
      assert.equal((await ask(rows)).step?.step, '1');
      stream.end();
      await once(stream, 'end');
    }));

  it('a loss that is not finite stops the step by name', () =>
    serving(async ({ client, models }) => {
      const training = await begun(client, { ...RECIPE, tau: 1e-300 });
      const found = refusal((await training.send({ rows: batchMessage(tensors, FIRST) })).error);
      assert.equal(found.code, Code.INVALID_ARGUMENT);
      assert.match(found.field, /^(loss|grad\/.*|.*\/0)$/);
      await training.send({ save: { name: 'as-it-was' } });
      const { weights } = await loadBundle(path.join(models, 'as-it-was'));
      for (const [name, { bytes }] of initialWeights(TASK_CARD, 5)) {
        assert.deepEqual(Buffer.from(weights.get(name)!.bytes), Buffer.from(bytes), name);
      }
      await training.end();
    }));

  it('refuses starts by their field', () =>
    serving(async ({ client }) => {
      const start = async (message: TrainStepRequest): Promise<Awaited<ReturnType<typeof failure>>> => {
        const training = openTraining(client);
        return failure(training.send(message));
      };
      const recipe = (changes: TrainingRecipe): TrainStepRequest => ({
        start: { cardJson: CARD, recipe: changes },
      });
      const wrong: [TrainStepRequest, string][] = [
        [{}, 'part'],
        [{ rows: {} }, 'part'],
        [{ start: {} }, 'start.from'],
        [{ start: { cardJson: '{"format": ' } }, 'start.card_json'],
        [recipe({ learningRate: NaN }), 'start.recipe.learning_rate'],
        [recipe({ tau: 0 }), 'start.recipe.tau'],
        [recipe({ dropout: 1 }), 'start.recipe.dropout'],
        [recipe({ clip: -1 }), 'start.recipe.clip'],
        [recipe({ accumulate: 0 }), 'start.recipe.accumulate'],
        [recipe({ schedule: 'COSINE' }), 'start.recipe.updates'],
        [recipe({ schedule: 7 as never }), 'start.recipe.schedule'],
        [recipe({ negatives: ['layers'] }), 'start.recipe.negatives[0]'],
        [recipe({ losses: [{ kind: 'sawp' }] }), 'start.recipe.losses[0].kind'],
        [recipe({ losses: [{ kind: 'swap', weight: Infinity }] }), 'start.recipe.losses[0].weight'],
        [recipe({ losses: [{ kind: 'outcome' }] }), 'start.recipe.losses'],
      ];
      for (const [message, field] of wrong) {
        const error = await start(message);
        assert.equal(error.code, Code.INVALID_ARGUMENT, `${field}: ${error.details}`);
        assert.equal(badField(error), field, error.details);
      }
      const unknown = await start({ start: { model: 'nobody' } });
      assert.equal(unknown.code, Code.NOT_FOUND);
      // some 10^12 numbers: refused before anything is allocated
      const huge = JSON.stringify(smallCard({ state_dim: 1_000_000, hidden: 1_000_000, heads: 2 }));
      assert.equal((await start({ start: { cardJson: huge } })).code, Code.RESOURCE_EXHAUSTED);
      await (await begun(client)).end();
    }));

  it('one session at a time; a client that leaves, falls silent or breaks off makes room', () =>
    serving(
      async ({ client }) => {
        const first = await begun(client);
        const second = openTraining(client);
        const refused = await failure(second.send({ start: { model: 'base', recipe: RECIPE } }));
        assert.equal(refused.code, Code.RESOURCE_EXHAUSTED);
        first.cancel();
        assert.equal((await first.ended)?.code, Code.CANCELLED);
        const place = async (): Promise<TrainingStream | undefined> => {
          const training = openTraining(client);
          const answer = await training.send({ start: { model: '', recipe: RECIPE } }).catch(() => undefined);
          return answer?.started ? training : undefined;
        };
        let next: TrainingStream | undefined;
        await until(async () => (next = await place()) !== undefined);
        await next!.step(batchMessage(tensors, FIRST));
        assert.equal((await next!.ended)?.code, Code.DEADLINE_EXCEEDED, 'silent');
        await until(async () => (next = await place()) !== undefined);
        assert.equal(await next!.end(), undefined);
      },
      { training: true, 'training-idle-ms': '400' },
    ));

  it('a stopping server ends a session at once', () =>
    serving(async ({ client, stop }) => {
      const training = await begun(client);
      await training.step(batchMessage(tensors, FIRST));
      const [ended] = await Promise.all([training.ended, stop(60_000)]);
      assert.equal(ended?.code, Code.UNAVAILABLE);
    }));

  it('saves by name alone, and replaces only what it is told to', () =>
    serving(async ({ client, models }) => {
      const training = openTraining(client);
      const { started } = await training.send({ start: { model: 'base', recipe: RECIPE } });
      assert.equal(started?.model?.digest, (await loadBundle(path.join(models, 'base'))).digest);
      await training.step(batchMessage(tensors, FIRST));
      const there = refusal((await training.send({ save: { name: 'base' } })).error);
      assert.equal(there.code, Code.FAILED_PRECONDITION);
      await mkdir(path.join(models, 'notes'));
      await cp(path.join(models, 'base', 'energy.json'), path.join(models, 'notes', 'card.txt'));
      const other = refusal((await training.send({ save: { name: 'notes', replace: true } })).error);
      assert.equal(other.code, Code.FAILED_PRECONDITION);
      const { saved } = await training.send({ save: { name: 'base', replace: true } });
      assert.equal(saved?.step, '1');
      assert.equal((await loadBundle(path.join(models, 'base'))).digest, saved.model?.digest);
      assert.deepEqual((await readdir(models)).sort(), ['base', 'notes']);
      await training.end();
    }));

  it('a batch that the budget has no room for is refused, and the session goes on', () =>
    serving(
      async ({ client }) => {
        const training = await begun(client);
        const rows = 4096;
        const many = batchMessage(
          tensors,
          Int32Array.from({ length: rows }, (_, i) => i % TASK_SHAPE.M),
        );
        const { code } = refusal((await training.send({ rows: many })).error);
        assert.equal(code, Code.RESOURCE_EXHAUSTED);
        await training.step(batchMessage(tensors, FIRST));
        await training.end();
      },
      { training: true, 'memory-bytes': String(64 * 1024 ** 2), 'max-message-bytes': String(16 * 1024 ** 2) },
    ));

  it('is off unless the server was told, and says how to have it', () =>
    serving(async ({ client }) => {
      const error = await failure(openTraining(client).send({ start: { model: 'base' } }));
      assert.equal(error.code, Code.FAILED_PRECONDITION);
      assert.match(error.details, /--training/);
    }, {}));
});
