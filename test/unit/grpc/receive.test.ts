import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  ServerCredentials,
  type Server,
  type ServiceError,
} from '@grpc/grpc-js';
import fc from 'fast-check';
import { MessageAssembler } from '../../../src/grpc/transport/receive.js';
import { bindTcp } from '../../../src/grpc/addresses.js';
import { createGrpcServer } from '../../../src/grpc/transport/transport.js';
import { transportOptions } from '../../support/transport.js';
import { contract } from '../../../src/wire/contract.js';

const LIMIT = 1000;

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (bytes.byteLength + 1)), bytes.byteLength].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

describe('assembling messages', () => {
  test('any messages, cut anywhere, come out whole, in order, each in memory of its own', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: LIMIT }), { maxLength: 6 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
        const assembler = new MessageAssembler({ messageBytes: LIMIT });
        const wire = Buffer.concat(sent.map(framed));
        const got = cutAt(wire, cuts).flatMap((chunk) => assembler.write(chunk));
        const before = got.map((frame) => Buffer.from(frame));
        assert.deepEqual(before, sent.map(framed));
        wire.fill(0xff); // what comes next on the wire must not reach what is whole
        assert.deepEqual(got, before);
      }),
    );
  });

  test('the longest message is taken; one byte more is refused on its prefix alone', () => {
    const longest = framed(new Uint8Array(LIMIT).fill(7));
    assert.deepEqual(new MessageAssembler({ messageBytes: LIMIT }).write(longest), [longest]);
    const prefix = framed(new Uint8Array(LIMIT + 1)).subarray(0, 5);
    assert.throws(
      () => new MessageAssembler({ messageBytes: LIMIT }).write(prefix),
      /found 1001 bytes; wanted at most 1000/,
    );
  });

  test('a message that is given up gives its memory back, and nothing more is taken', () => {
    const assembler = new MessageAssembler({ messageBytes: 1 << 20 });
    assert.deepEqual(assembler.write(framed(new Uint8Array(100_000)).subarray(0, 50_000)), []);
    assembler.drop();
    assert.deepEqual(assembler.write(Buffer.alloc(50_005)), []);
    assert.deepEqual(assembler.write(framed(new Uint8Array(3))), []);
    assembler.drop();
  });

  test('lengths that lie take no memory', () => {
    const lie = Buffer.from([0, 0x3f, 0xff, 0xff, 0xff, 1, 2, 3]); // 1 GiB
    const before = process.memoryUsage.rss();
    const held = Array.from({ length: 16 }, () => {
      const assembler = new MessageAssembler({ messageBytes: 1 << 30 });
      assert.deepEqual(assembler.write(lie), []);
      return assembler;
    });
    assert.ok(process.memoryUsage.rss() - before < 64 << 20);
    assert.equal(held.length, 16);
  });
});

describe('the server reads with it', () => {
  let server: Server;
  let client: Client;

  before(async () => {
    server = createGrpcServer(transportOptions({ messageBytes: LIMIT }), []);
    server.addService(
      {
        Echo: {
          ...contract.energy.GetModel,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
        },
      },
      {
        Echo: (call: { request: Buffer }, callback: (error: null, bytes: Buffer) => void) =>
          callback(null, call.request),
      },
    );
    const port = await bindTcp(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  });
  after(() => {
    client.close();
    server.forceShutdown();
  });

  const echo = (bytes: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const same = (each: Buffer): Buffer => each;
      client.makeUnaryRequest(
        contract.energy.GetModel.path,
        same,
        same,
        bytes,
        new Metadata(),
        {},
        (error: ServiceError | null, answer?: Buffer) => (answer ? resolve(answer) : reject(error!)),
      );
    });

  test('messages pass; one that is too long is refused in the words of the assembler', async () => {
    for (const length of [0, 1, LIMIT]) {
      const bytes = Buffer.alloc(length, 9);
      assert.deepEqual(await echo(bytes), bytes);
    }
    await assert.rejects(
      echo(Buffer.alloc(LIMIT + 1)),
      /found 1001 bytes; wanted at most 1000 bytes for this method/,
    );
  });
});
