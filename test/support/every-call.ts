/** Load in which every kind of call occurs, answered and refused ones, so that every series of the metrics has values. */
import { setTimeout as delay } from 'node:timers/promises';
import type { EnergyClient } from '../../src/client/energy-client.js';
import { contract } from '../../src/wire/contract.js';
import { bundledRequests } from './load.js';
import { call, openClient } from './service.js';
import { calibrationTensors } from './tiny-reach.js';
import { batchMessage, openTraining } from './training-stream.js';

const { ScoreActions, DropContext } = contract.energy;
const { SelectAction, ReportOutcome } = contract.selection;
/** A control loop of 20 Hz. */
const PERIOD_MS = 50;
/** Rows of a training step, one every so many periods. */
const BATCH = 8;
const PERIODS_A_STEP = 10;

/**
 * One robot for `durationMs`: it keeps its context, loses it now and then, selects and reports. Beside it somebody trains, so the server
 * must have been started with --training.
 */
export async function everyKindOfCall(
  client: EnergyClient,
  address: string,
  durationMs: number,
): Promise<void> {
  const raw = openClient(address);
  const requests = await bundledRequests(client, 16);
  const tensors = await calibrationTensors();
  const training = openTraining(raw);
  await training.send({ start: { model: '' } });
  const endMs = performance.now() + durationMs;
  try {
    for (let i = 0; performance.now() < endMs; i++) {
      const { context } = await call(raw, ScoreActions, {
        ...requests.score(i),
        options: { executedIndex: i % 16, keepContext: {} },
      });
      const { contextId } = context!;
      await call(raw, ScoreActions, requests.score(i, contextId), { timeoutMs: 1_000 });
      if (i % 4 === 0) {
        await call(raw, DropContext, { contextId });
        await call(raw, ScoreActions, requests.score(i, contextId)).catch(() => undefined);
      }
      const selected = await call(raw, SelectAction, {
        ...requests.score(i),
        baselineIndex: 0,
        episodeId: String(i),
      });
      await call(raw, SelectAction, { ...requests.score(i), rule: 'REFINE', ungated: true });
      await call(raw, ReportOutcome, {
        requestId: selected.requestId,
        success: i % 2 === 0,
        baselineCost: 0.5,
      });
      if (i % PERIODS_A_STEP === 0) {
        const first = (i * BATCH) % 256;
        await training.step(
          batchMessage(
            tensors,
            Array.from({ length: BATCH }, (_, row) => first + row),
          ),
        );
      }
      await delay(PERIOD_MS);
    }
    await training.end();
  } finally {
    raw.close();
  }
}
