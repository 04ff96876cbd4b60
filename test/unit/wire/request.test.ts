import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contract } from '../../../src/wire/contract.js';
import { decodeRequest } from '../../../src/wire/request.js';

const { ScoreActions } = contract.energy;

/** As grpc-js hands it over: the message behind its five-byte prefix, in a buffer made by `Buffer.concat`. */
function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(5), message]).subarray(5);
}

test('a large message owns its memory, a pooled one does not', () => {
  const parse = (bytes: Buffer) => ScoreActions.requestDeserialize(bytes);
  const sized = (length: number) =>
    framed(
      ScoreActions.requestSerialize({
        inline: { hidden: { dtype: 'BFLOAT16', shape: [length / 2], data: Buffer.alloc(length, 1) } },
      }),
    );
  const large = decodeRequest(parse, sized(1 << 20));
  assert.ok(large.ok && large.move);
  const small = decodeRequest(parse, sized(64));
  assert.ok(small.ok && !small.move);
  const shared = Buffer.concat([sized(1 << 20), Buffer.alloc(100)]).subarray(0, sized(1 << 20).length);
  const slice = decodeRequest(parse, shared);
  assert.ok(slice.ok && !slice.move);
});

test('bytes that do not parse are a fault, never a throw', () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoded = decodeRequest((raw) => ScoreActions.requestDeserialize(raw), Buffer.from(bytes));
      if (!decoded.ok) {
        refused++;
        assert.equal(decoded.fault.kind, 'invalid');
      }
    }),
  );
  assert.ok(refused > 0);
});

test('64-bit ids come back exactly', () => {
  const { ScoreActionsStream } = contract.energy;
  const requestId = '18446744073709551615';
  const bytes = ScoreActionsStream.requestSerialize({ requestId });
  assert.equal(ScoreActionsStream.requestDeserialize(bytes).requestId, requestId);
});
