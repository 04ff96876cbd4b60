/** A real gRPC server, met by clients that send and read as no library would. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { ServerCredentials, status as Code, type Server, type ServerDuplexStream } from '@grpc/grpc-js';
import { bindTcp } from '../../../src/grpc/addresses.js';
import { createGrpcServer, type TransportOptions } from '../../../src/grpc/transport/transport.js';
import { MemoryBudget } from '../../../src/serving/memory-budget.js';
import { contract } from '../../../src/wire/contract.js';
import { until } from '../../support/service.js';
import { transportOptions } from '../../support/transport.js';

const { ScoreActions, GetModel, ScoreActionsStream } = contract.energy;
const MIB = 1 << 20;
const LARGE = 600 * 1024;

interface Answer {
  readonly code: number;
  readonly message: string;
  readonly body: Buffer;
}

function framed(bytes: Uint8Array, flag = 0, length = bytes.byteLength): Buffer {
  const frame = Buffer.alloc(5 + bytes.byteLength);
  frame.writeUInt8(flag, 0);
  frame.writeUInt32BE(length, 1);
  frame.set(bytes, 5);
  return frame;
}

describe('a call on the wire', () => {
  let budget: MemoryBudget;
  let server: Server;
  let session: http2.ClientHttp2Session;
  /** What the handlers got, in order. */
  let received: Buffer[];
  /** Answers to ScoreActions; `echo` unless a test says otherwise. */
  let answerWith: ((request: Buffer) => Buffer) | undefined;
  let address: string;
  /** Whether the handler of the stream reads no further. */
  let holdBack: boolean;
  let releaseHeld: () => void;

  beforeEach(() => {
    budget = new MemoryBudget(MIB);
    received = [];
    answerWith = undefined;
    holdBack = false;
  });
  afterEach(() => {
    session.destroy();
    server.forceShutdown();
  });

  async function serve(
    overrides: Partial<TransportOptions> = {},
    settings: http2.Settings = {},
  ): Promise<void> {
    server = createGrpcServer(transportOptions({ budget, ...overrides }), []);
    const bytes = {
      requestDeserialize: (each: Buffer) => each,
      responseSerialize: (each: Buffer) => each,
    };
    const echo = (call: { request: Buffer }, callback: (error: null, bytes: Buffer) => void): void => {
      received.push(call.request);
      callback(null, answerWith?.(call.request) ?? call.request);
    };
    server.addService(
      { ScoreActions: { ...ScoreActions, ...bytes }, GetModel: { ...GetModel, ...bytes } },
      { ScoreActions: echo, GetModel: echo },
    );
    server.addService(
      { ScoreActionsStream: { ...ScoreActionsStream, ...bytes } },
      {
        ScoreActionsStream: (call: ServerDuplexStream<Buffer, Buffer>) => {
          call.on('data', (each: Buffer) => {
            received.push(each);
            call.write(each.subarray(0, 1));
            if (!holdBack) return;
            call.pause();
            releaseHeld = () => call.resume();
          });
          call.on('end', () => call.end());
          call.on('error', () => undefined);
        },
      },
    );
    const port = await bindTcp(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
    address = `http://127.0.0.1:${port}`;
    session = http2.connect(address, { settings });
    session.on('error', () => undefined);
    await once(session, 'remoteSettings');
  }

  function open(
    method = ScoreActions.path,
    headers: http2.OutgoingHttpHeaders = {},
  ): http2.ClientHttp2Stream {
    const stream = session.request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => undefined);
    return stream;
  }

  async function answerOf(stream: http2.ClientHttp2Stream): Promise<Answer> {
    const body: Buffer[] = [];
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('data', (chunk: Buffer) => body.push(chunk));
    stream.on('response', (headers: http2.IncomingHttpHeaders) => (trailers = headers));
    stream.on('trailers', (headers: http2.IncomingHttpHeaders) => (trailers = headers));
    await once(stream, 'close');
    return {
      code: Number(trailers['grpc-status'] ?? -1),
      message: decodeURI(String(trailers['grpc-message'] ?? '')),
      body: Buffer.concat(body),
    };
  }

  function send(
    frame: Buffer,
    method = ScoreActions.path,
    headers: http2.OutgoingHttpHeaders = {},
  ): Promise<Answer> {
    const stream = open(method, headers);
    stream.end(frame);
    return answerOf(stream);
  }

  const nothingHeld = (): Promise<void> => until(() => budget.free === budget.limit);

  test('small and large messages pass, and nothing stays taken', async () => {
    await serve();
    for (const size of [0, 1, 64 * 1024, 64 * 1024 + 1, LARGE]) {
      const bytes = Buffer.alloc(size, 7);
      const answer = await send(framed(bytes));
      assert.equal(answer.code, Code.OK, answer.message);
      assert.deepEqual(answer.body.subarray(5), bytes);
    }
    await nothingHeld();
  });

  test('the memory of a message is taken until it is answered', async () => {
    await serve();
    let during = 0;
    answerWith = (request) => {
      during = budget.taken('messages');
      return request.subarray(0, 1);
    };
    await send(framed(Buffer.alloc(LARGE)));
    assert.equal(during, LARGE);
    await nothingHeld();
  });

  test('a method that takes names takes no tensors', async () => {
    await serve();
    const answer = await send(framed(Buffer.alloc(64 * 1024 + 1)), GetModel.path);
    assert.equal(answer.code, Code.RESOURCE_EXHAUSTED);
    assert.match(answer.message, /at most 65536 bytes for this method/);
    assert.equal(received.length, 0);
  });

  test('a frame whose flag is none is refused', async () => {
    await serve();
    assert.equal((await send(framed(Buffer.alloc(3), 2))).code, Code.INVALID_ARGUMENT);
  });

  test('beyond the budget uploads wait, half-close and all, and go on when memory is given back', async () => {
    await serve();
    const first = open();
    first.write(framed(Buffer.alloc(1), 0, LARGE)); // takes 600 KiB, sends one byte
    await until(() => budget.taken('messages') === LARGE);
    const second = send(framed(Buffer.alloc(LARGE, 2)));
    const small = await send(framed(Buffer.alloc(10, 3))); // passes
    assert.equal(small.code, Code.OK);
    assert.equal(budget.taken('messages'), LARGE);
    first.end(Buffer.alloc(LARGE - 1));
    assert.equal((await answerOf(first)).code, Code.OK);
    const answer = await second;
    assert.equal(answer.code, Code.OK, answer.message);
    assert.equal(answer.body.byteLength, LARGE + 5);
    await nothingHeld();
  });

  test('what is sent ahead of waiting uploads is counted, whatever its frames; beyond its share they are refused', async () => {
    await serve(); // room for two windows of 64 KiB ahead
    const first = open();
    first.write(framed(Buffer.alloc(1), 0, LARGE));
    await until(() => budget.taken('messages') === LARGE);
    const bytes = Buffer.alloc(LARGE);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
    const second = open();
    second.write(framed(Buffer.alloc(0), 0, LARGE));
    await until(() => budget.taken('ahead') > 0);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 60_000; i++) second.write(bytes.subarray(i, i + 1)); // a frame each
    second.end(bytes.subarray(60_000));
    const third = await send(framed(bytes, 0, LARGE)); // the client cannot end it before it is refused
    assert.equal(third.code, Code.RESOURCE_EXHAUSTED);
    assert.match(third.message, /no memory for this message now/);
    assert.ok(budget.taken('ahead') <= budget.aheadLimit);
    assert.ok(process.memoryUsage().heapUsed - before < 64 * MIB);
    first.close(http2.constants.NGHTTP2_CANCEL);
    const answer = await answerOf(second);
    assert.equal(answer.code, Code.OK, answer.message);
    assert.ok(answer.body.subarray(5).equals(bytes), 'what was sent ahead comes first, and nothing is lost');
    await nothingHeld();
  });

  test('a stream that nobody reads is held to a window', async () => {
    budget = new MemoryBudget(8 * MIB);
    await serve();
    holdBack = true;
    const stream = open(ScoreActionsStream.path);
    const frame = framed(Buffer.alloc(10_000, 3));
    stream.write(Buffer.concat(Array.from({ length: 100 }, () => frame))); // 1 MB
    await until(() => budget.taken('ahead') > 0);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => session.ping(resolve));
    assert.ok(session.socket.bytesWritten < 300 * 1024, `${session.socket.bytesWritten} bytes`);
    holdBack = false;
    releaseHeld();
    stream.end();
    assert.equal((await answerOf(stream)).code, Code.OK);
    assert.equal(received.length, 100);
    await nothingHeld();
  });

  test('a message that is never half-closed is given up, and so are headers without a message', async () => {
    await serve({ stallMs: 200 });
    const whole = open();
    whole.write(framed(Buffer.alloc(1000)));
    const nothing = open();
    nothing.write(Buffer.alloc(0));
    const answers = await Promise.all([whole, nothing].map(answerOf));
    for (const { code } of answers) assert.equal(code, Code.DEADLINE_EXCEEDED);
    await nothingHeld();
  });

  test('calls themselves are counted; beyond the budget they are refused', async () => {
    budget = new MemoryBudget(100 * 1024); // six calls
    await serve({ concurrentStreams: 100 });
    const open6 = Array.from({ length: 6 }, () => open());
    await until(() => budget.taken('calls') > 90 * 1024);
    assert.equal((await send(framed(Buffer.alloc(1)))).code, Code.RESOURCE_EXHAUSTED);
    for (const stream of open6) stream.close(http2.constants.NGHTTP2_CANCEL);
    await nothingHeld();
    assert.equal((await send(framed(Buffer.alloc(1)))).code, Code.OK);
  });

  test('an upload that brings nothing any more is given up, and its memory with it', async () => {
    await serve({ stallMs: 200 });
    const stalled = open();
    stalled.write(framed(Buffer.alloc(1000), 0, LARGE));
    const answer = await answerOf(stalled);
    assert.equal(answer.code, Code.DEADLINE_EXCEEDED);
    assert.match(answer.message, /no byte of the message came for too long/);
    await nothingHeld();
  });

  test('one that drips is given up when it has taken too long', async () => {
    await serve({ transferMs: 400 });
    const dripping = open();
    dripping.write(framed(Buffer.alloc(1), 0, LARGE));
    const timer = setInterval(() => dripping.write(Buffer.alloc(1)), 20);
    const answer = await answerOf(dripping);
    clearInterval(timer);
    assert.match(answer.message, /the message is not whole for too long/);
    await nothingHeld();
  });

  test('a client that goes in the middle of an upload leaves nothing behind', async () => {
    await serve();
    const gone = open();
    gone.write(framed(Buffer.alloc(1000), 0, LARGE));
    await until(() => budget.taken('messages') === LARGE);
    gone.close(http2.constants.NGHTTP2_CANCEL);
    await nothingHeld();
  });

  test('streams: each answer gives back the memory of a message', async () => {
    await serve();
    const stream = open(ScoreActionsStream.path);
    for (let i = 0; i < 5; i++) stream.write(framed(Buffer.alloc(300 * 1024, i))); // more than the budget in all
    stream.end();
    assert.equal((await answerOf(stream)).code, Code.OK);
    assert.deepEqual(
      received.map((each) => [each.byteLength, each[0]]),
      [0, 1, 2, 3, 4].map((i) => [300 * 1024, i]),
    );
    await nothingHeld();
  });

  describe('compressed', () => {
    const gzip = { 'grpc-encoding': 'gzip' };
    const contents = Buffer.alloc(LARGE, 'compresses well ');

    test('gzip and deflate inflate to what was sent', async () => {
      budget = new MemoryBudget(4 * MIB);
      await serve();
      for (const [encoding, bytes] of [
        ['gzip', gzipSync(contents)],
        ['deflate', deflateSync(contents)],
        ['gzip', gzipSync(Buffer.alloc(0))],
      ] as const) {
        const answer = await send(framed(bytes, 1), ScoreActions.path, { 'grpc-encoding': encoding });
        assert.equal(answer.code, Code.OK, answer.message);
      }
      assert.deepEqual(received, [contents, contents, Buffer.alloc(0)]);
      await nothingHeld();
    });

    test('what says that it is too long is not inflated', async () => {
      await serve({ messageBytes: LARGE - 1 });
      const answer = await send(framed(gzipSync(contents), 1), ScoreActions.path, gzip);
      assert.equal(answer.code, Code.RESOURCE_EXHAUSTED);
      assert.match(answer.message, /inflated message is too long/);
      const small = deflateSync(contents);
      const other = await send(framed(small, 1), ScoreActions.path, { 'grpc-encoding': 'deflate' });
      assert.equal(other.code, Code.RESOURCE_EXHAUSTED);
      await nothingHeld();
    });

    test('what inflates to more than it says, or not at all, is refused', async () => {
      await serve();
      const lies = gzipSync(contents);
      lies.writeUInt32LE(100, lies.byteLength - 4);
      for (const bytes of [lies, Buffer.from('not gzip at all')]) {
        const answer = await send(framed(bytes, 1), ScoreActions.path, gzip);
        assert.equal(answer.code, Code.INVALID_ARGUMENT, answer.message);
        assert.match(answer.message, /does not inflate/);
      }
      await nothingHeld();
    });

    test('what does not fit the budget is refused with a hint', async () => {
      budget = new MemoryBudget(LARGE);
      await serve();
      const answer = await send(framed(gzipSync(contents), 1), ScoreActions.path, gzip);
      assert.equal(answer.code, Code.RESOURCE_EXHAUSTED);
      assert.match(answer.message, /no memory for this message now/);
      await nothingHeld();
    });

    test('a compressed message without an encoding is refused', async () => {
      await serve();
      const answer = await send(framed(gzipSync(contents), 1));
      assert.equal(answer.code, Code.INVALID_ARGUMENT);
      assert.match(answer.message, /compressed message without an encoding/);
      assert.equal(received.length, 0);
    });

    test('an encoding that nobody knows is UNIMPLEMENTED', async () => {
      await serve();
      const answer = await send(framed(contents, 1), ScoreActions.path, { 'grpc-encoding': 'br' });
      assert.equal(answer.code, Code.UNIMPLEMENTED);
    });
  });

  describe('answers that are not taken', () => {
    /** A client that opens no window at all for answers. */
    const unread = { initialWindowSize: 0 };

    test('are cut off, oldest first, before they are more than their share', async () => {
      await serve({}, unread);
      answerWith = () => Buffer.alloc(100 * 1024); // the share is 256 KiB
      const streams: http2.ClientHttp2Stream[] = [];
      const closed: number[] = [];
      for (let i = 0; i < 5; i++) {
        const stream = open();
        streams.push(stream);
        stream.on('close', () => closed.push(i));
        stream.end(framed(Buffer.alloc(1)));
        await until(() => received.length === i + 1);
        assert.ok(budget.taken('answers') <= budget.answersLimit);
      }
      await until(() => closed.length === 3);
      assert.deepEqual(closed, [0, 1, 2]);
    });

    test('are cut off in time', async () => {
      await serve({ transferMs: 300 }, unread);
      answerWith = () => Buffer.alloc(100 * 1024);
      const stream = open();
      stream.end(framed(Buffer.alloc(1)));
      await once(stream, 'close');
      await nothingHeld();
    });
  });
});
