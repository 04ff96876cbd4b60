/** TLS, mutual TLS and tokens against real connections; the certificates are made for the occasion. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { credentials, Metadata, status as Code, type ChannelCredentials, type Client } from '@grpc/grpc-js';
import { EnergyClient } from '../../src/client/energy-client.js';
import { contract } from '../../src/wire/contract.js';
import { goldenTensors } from '../support/bundles.js';
import {
  addressOf,
  call,
  failure,
  goldenContext,
  goldenRequest,
  openClient,
  serveGolden,
  tensorMessage,
  type Flags,
  type TestService,
} from '../support/service.js';
import { openCalibration } from '../support/tiny-reach.js';
import { openTraining } from '../support/training-stream.js';

const CASE = 'global_silu_half_square';
const { ListModels, ScoreActions, PutContext } = contract.energy;

const SCORER = 'scorer-token-0123456789';
const ADMIN = 'admin-token-0123456789';
const OTHER = 'other-token-0123456789';
const TOKENS = `tokens:
  - { name: scorer, token: ${SCORER}, permissions: [score] }
  - { name: other, token: ${OTHER}, permissions: [score] }
  - { name: operator, token: ${ADMIN}, permissions: [admin] }
`;

function bearer(token: string): { metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return { metadata };
}

describe('security', () => {
  let directory: string;
  const file = (name: string): string => path.join(directory, name);
  const pem = (name: string): Buffer => readFileSync(file(name));
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  };
  /** A key and a certificate for `names`, signed by `ca`, or by itself. */
  const certify = (name: string, ca?: string, names = 'DNS:localhost,IP:127.0.0.1'): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
    const about = ['-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`];
    const signer = ca === undefined ? [] : ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`];
    openssl('req', '-x509', ...key, ...about, ...signer, '-out', `${name}.pem`);
  };
  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'action-energy-security-'));
    certify('ca');
    certify('server', 'ca');
    certify('elsewhere', 'ca', 'DNS:localhost,IP:127.0.0.2');
    certify('client', 'ca');
    certify('stranger');
    writeFileSync(file('tokens.yaml'), TOKENS);
  });
  after(() => rm(directory, { recursive: true }));

  async function using(
    flags: Flags,
    run: (connect: (creds: ChannelCredentials) => Client, service: TestService) => Promise<void>,
  ): Promise<void> {
    const service = await serveGolden([CASE], flags);
    const clients: Client[] = [];
    try {
      const connect = (creds: ChannelCredentials): Client => {
        // by name: grpc-js sends the host as TLS server name, which an IP must not be
        const client = openClient(addressOf(service.server).replace('127.0.0.1', 'localhost'), creds);
        clients.push(client);
        return client;
      };
      await run(connect, service);
    } finally {
      for (const client of clients) client.close();
      await service.close();
    }
  }
  const tls = (): Record<string, string> => ({
    'tls-cert': file('server.pem'),
    'tls-key': file('server.key'),
  });
  const unreachable = async (client: Client): Promise<void> => {
    const { code } = await failure(call(client, ListModels, {}, { timeoutMs: 2_000 }));
    assert.ok(code === Code.UNAVAILABLE || code === Code.DEADLINE_EXCEEDED, Code[code]);
  };

  test('TLS: those who trust the authority get in, plain ones do not', () =>
    using(tls(), async (connect) => {
      const { models } = await call(connect(credentials.createSsl(pem('ca.pem'))), ListModels, {});
      assert.equal(models.length, 1);
      await unreachable(connect(credentials.createInsecure()));
      await unreachable(connect(credentials.createSsl(pem('stranger.pem'))));
    }));

  test('TLS to an IP: the certificate must name it', async () => {
    const models = (certificate: string): Promise<number> => {
      let count = 0;
      const flags = { 'tls-cert': file(`${certificate}.pem`), 'tls-key': file(`${certificate}.key`) };
      return using(flags, async (_connect, { server }) => {
        const target = { address: addressOf(server), tls: { caFile: file('ca.pem') } };
        const client = await EnergyClient.open(target);
        try {
          count = (await client.listModels({ timeoutMs: 2_000, retries: 0 })).length;
        } finally {
          client.close();
        }
      }).then(() => count);
    };
    assert.equal(await models('server'), 1);
    await assert.rejects(models('elsewhere'), { kind: 'unavailable', found: /altnames|127\.0\.0\.1/ });
  });

  test('mutual TLS: only with a certificate of the authority', () =>
    using({ ...tls(), 'tls-client-ca': file('ca.pem') }, async (connect) => {
      const known = credentials.createSsl(pem('ca.pem'), pem('client.key'), pem('client.pem'));
      assert.equal((await call(connect(known), ListModels, {})).models.length, 1);
      await unreachable(connect(credentials.createSsl(pem('ca.pem'))));
      await unreachable(
        connect(credentials.createSsl(pem('ca.pem'), pem('stranger.key'), pem('stranger.pem'))),
      );
    }));

  test('tokens: who may do what', () =>
    using({ 'tokens-file': file('tokens.yaml') }, async (connect, { server }) => {
      const client = connect(credentials.createInsecure());
      const codes = async (...tokens: (string | undefined)[]): Promise<(Code | undefined)[]> => {
        const results = [];
        for (const method of [ListModels, contract.admin.Reload]) {
          for (const token of tokens) {
            const options = token === undefined ? {} : bearer(token);
            results.push(
              await call<object, unknown>(client, method, {}, options).then(
                () => undefined,
                (error: { code: Code }) => error.code,
              ),
            );
          }
        }
        return results;
      };
      const { UNAUTHENTICATED, PERMISSION_DENIED } = Code;
      assert.deepEqual(await codes(undefined, 'wrong-token-0123456789', SCORER, ADMIN), [
        UNAUTHENTICATED,
        UNAUTHENTICATED,
        undefined,
        PERMISSION_DENIED,
        UNAUTHENTICATED,
        UNAUTHENTICATED,
        PERMISSION_DENIED,
        undefined,
      ]);
      // a new file takes effect without a restart, for connections that are open too
      writeFileSync(file('tokens.yaml'), TOKENS.replace(SCORER, 'fresh-token-0123456789'));
      await server.reload();
      assert.deepEqual((await codes(SCORER, 'fresh-token-0123456789')).slice(0, 2), [
        UNAUTHENTICATED,
        undefined,
      ]);
      writeFileSync(file('tokens.yaml'), TOKENS);
    }));

  test('training has a permission of its own', () => {
    const trainer = 'trainer-token-0123456789';
    const tokens = `${TOKENS}  - { name: trainer, token: ${trainer}, permissions: [train] }\n`;
    writeFileSync(file('train.yaml'), tokens);
    return using({ 'tokens-file': file('train.yaml'), training: true }, async (connect) => {
      const client = connect(credentials.createInsecure());
      const start = { start: { model: CASE } };
      for (const token of [SCORER, ADMIN]) {
        const refused = await failure(openTraining(client, bearer(token).metadata).send(start));
        assert.equal(refused.code, Code.PERMISSION_DENIED);
      }
      const training = openTraining(client, bearer(trainer).metadata);
      assert.ok((await training.send(start)).started);
      assert.equal(
        (await failure(call(client, ListModels, {}, bearer(trainer)))).code,
        Code.PERMISSION_DENIED,
      );
      // a token that may no more train ends what it trains
      writeFileSync(file('train.yaml'), tokens.replace('[train]', '[score]'));
      assert.equal((await training.ended)?.code, Code.PERMISSION_DENIED);
    });
  });

  test('streams of a token that is gone, or may less, end when the file changes; others go on', () => {
    const name = 'revoked.yaml';
    const doctor = 'doctor-token-0123456789';
    const extra = `  - { name: doctor, token: ${doctor}, permissions: [calibrate] }\n`;
    writeFileSync(file(name), TOKENS + extra);
    return using({ 'tokens-file': file(name) }, async (connect) => {
      const client = connect(credentials.createInsecure());
      const open = (
        token: string,
      ): { ended: Promise<Code>; ask: () => Promise<unknown>; end: () => void } => {
        const { path: method, requestSerialize, responseDeserialize } = contract.energy.ScoreActionsStream;
        const { metadata } = bearer(token);
        const stream = client.makeBidiStreamRequest(method, requestSerialize, responseDeserialize, metadata);
        stream.on('error', () => undefined);
        return {
          ended: new Promise((resolve) => stream.on('status', ({ code }) => resolve(code))),
          ask: () => {
            stream.write({ requestId: '1', request: goldenRequest(CASE) });
            return once(stream, 'data');
          },
          end: () => void stream.end(),
        };
      };
      const [revoked, kept] = [open(SCORER), open(OTHER)];
      await Promise.all([revoked.ask(), kept.ask()]);
      const calibrating = openCalibration(
        client,
        contract.calibration.Calibrate,
        120_000,
        bearer(doctor).metadata,
      );
      const refused = failure(calibrating.answer);
      calibrating.stream.write({ header: { rows: 9 } });
      // the server looks at its file; nobody tells it
      writeFileSync(
        file(name),
        TOKENS.replace(SCORER, 'fresh-token-0123456789') + extra.replace('[calibrate]', '[score]'),
      );
      assert.equal(await revoked.ended, Code.UNAUTHENTICATED);
      assert.equal((await refused).code, Code.PERMISSION_DENIED);
      await kept.ask();
      kept.end();
      assert.equal(await kept.ended, Code.OK);
    });
  });

  test('tokens and models are read again by themselves: what is wrong with both is told', () =>
    using({ 'tokens-file': file('tokens.yaml') }, async (connect, { server, models }) => {
      const client = connect(credentials.createInsecure());
      writeFileSync(path.join(models, CASE, 'energy.json'), 'no card');
      writeFileSync(file('tokens.yaml'), TOKENS.replace(SCORER, 'fresh-token-0123456789'));
      await assert.rejects(server.reload(), /not loaded again: .*energy\.json/);
      await call(client, ListModels, {}, bearer('fresh-token-0123456789'));
      writeFileSync(file('tokens.yaml'), 'tokens: none');
      await assert.rejects(server.reload(), /tokens\.yaml.*not loaded again: .*energy\.json/);
      await call(client, ListModels, {}, bearer('fresh-token-0123456789'));
      writeFileSync(file('tokens.yaml'), TOKENS);
    }));

  test('a refused call does not wait for its upload', () =>
    using({ 'tokens-file': file('tokens.yaml') }, async (connect) => {
      const client = connect(credentials.createInsecure());
      const data = Buffer.alloc(32 << 20);
      const hidden = { dtype: 'BFLOAT16' as const, shape: [data.length / 2], data };
      assert.equal(
        (await failure(call(client, ScoreActions, { inline: { hidden } }))).code,
        Code.UNAUTHENTICATED,
      );
    }));

  test('a kept context answers to its owner alone', () =>
    using({ 'tokens-file': file('tokens.yaml') }, async (connect) => {
      const client = connect(credentials.createInsecure());
      const inputs = goldenTensors(CASE, 'inputs');
      const candidates = tensorMessage(inputs.get('actions')!);
      const put = await call(client, PutContext, { context: goldenContext(inputs, 0) }, bearer(SCORER));
      const request = { contextId: put.context?.contextId ?? '', candidates };
      assert.equal((await failure(call(client, ScoreActions, request, bearer(OTHER)))).code, Code.NOT_FOUND);
      assert.ok((await call(client, ScoreActions, request, bearer(SCORER))).energies.length > 0);
    }));

  test('a certificate that cannot be used is named before anything listens', async () => {
    const flags = { 'tls-cert': file('server.pem'), 'tls-key': file('client.key') };
    await assert.rejects(serveGolden([CASE], flags), /tls|key/i);
    await assert.rejects(serveGolden([CASE], { ...tls(), 'tls-cert': file('none.pem') }), /tls\.cert/);
  });
});
