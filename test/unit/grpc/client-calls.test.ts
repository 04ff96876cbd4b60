/** Calls by client: each once, in few series. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import { ClientCalls } from '../../../src/grpc/transport/gate.js';
import { createMetrics } from '../../../src/metrics/metrics.js';

test('each call counts once, under the name of its token; names beyond 64 share one', async () => {
  const { clientCalls } = createMetrics(() => []);
  const calls = new ClientCalls({ clientCalls });
  const counted = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await clientCalls.get()).values.map(({ labels, value }) => [
        `${labels.client} ${labels.grpc_code}`,
        value,
      ]),
    );
  const end = calls.begin('token:arm:7');
  end(Code.OK);
  end(Code.CANCELLED); // a call that is answered is told to be gone, too
  calls.begin('token:arm:7')(Code.RESOURCE_EXHAUSTED);
  calls.begin('certificate:AB:CD')(Code.OK);
  calls.begin('peer:10.0.0.1:80')(Code.OK);
  assert.deepEqual(await counted(), {
    'arm:7 OK': 1,
    'arm:7 RESOURCE_EXHAUSTED': 1,
    'certificate OK': 1,
    'anonymous OK': 1,
  });
  for (let i = 0; i < 100; i++) calls.begin(`token:t${i}`)(Code.OK);
  calls.begin('token:arm:7')(Code.OK);
  const all = await counted();
  assert.equal(all['arm:7 OK'], 2);
  assert.equal(all['t62 OK'], 1);
  assert.equal(all['t63 OK'], undefined);
  assert.equal(all['other OK'], 37);
});
