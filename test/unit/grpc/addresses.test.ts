/** Addresses that are taken, told before anything is loaded. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { unboundAddresses } from '../../../src/grpc/addresses.js';
import { withDirectory } from '../../support/bundles.js';
import { startTestServer, writeGoldenBundles } from '../../support/service.js';

function listening(where: { host: string; port: number } | { path: string }): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(where, () => resolve(server)));
}

const settings = (
  address: string,
  metricsAddress: string,
  socket?: string,
): Parameters<typeof unboundAddresses>[0] => ({
  listen: { address, insecurePublic: false, ...(socket && { socket }) },
  metrics: { address: metricsAddress, public: false },
});

test('both clashes are told at once, each with its setting and a mend', async () => {
  const taken = [
    await listening({ host: '127.0.0.1', port: 0 }),
    await listening({ host: '127.0.0.1', port: 0 }),
  ];
  const [grpc, pages] = taken.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const problems = await unboundAddresses(settings(grpc!, pages!));
  assert.deepEqual(problems, [
    `listen.address (--address): ${grpc} cannot be listened on: something listens there already: stop it, or choose another with --address`,
    `metrics.address (--metrics-address): ${pages} cannot be listened on: something listens there already: stop it, or choose another with --metrics-address`,
  ]);
  // a server says so before it loads a model
  await withDirectory(async (models) => {
    await writeGoldenBundles(models, ['cross_relu_sigmoid']);
    const starting = startTestServer(models, { address: grpc!, 'metrics-address': pages! }, () =>
      Promise.reject(new Error('a model was loaded')),
    );
    await assert.rejects(starting, { kind: 'invalid', message: problems.join('\n') });
  });
  for (const server of taken) server.close();
});

test('one address for both is a clash; a port is free again afterwards', async () => {
  const free = await listening({ host: '127.0.0.1', port: 0 });
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const address = `127.0.0.1:${port}`;
  assert.match((await unboundAddresses(settings(address, address))).join(), /^metrics\.address/);
  assert.deepEqual(await unboundAddresses(settings(address, 'none')), []);
  (await listening({ host: '127.0.0.1', port })).close();
  assert.match((await unboundAddresses(settings('192.0.2.1:1', 'none'))).join(), /no such address/);
});

test(
  'a socket may be new or left by a dead server, not in use and no other file',
  { skip: process.platform === 'win32' },
  () =>
    withDirectory(async (directory) => {
      const socket = path.join(directory, 'socket');
      assert.deepEqual(await unboundAddresses(settings('none', 'none', socket)), []);
      const server = await listening({ path: socket });
      assert.match(
        (await unboundAddresses(settings('none', 'none', socket))).join(),
        /listens there already/,
      );
      server.close();
      const file = path.join(directory, 'file');
      await writeFile(file, '');
      assert.match((await unboundAddresses(settings('none', 'none', file))).join(), /is there and no socket/);
    }),
);
