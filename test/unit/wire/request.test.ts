import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../../src/errors.js';
import { contract } from '../../../src/wire/contract.js';
import { decodeRequest, valueCounters, withDecodedRequest, type Decoded } from '../../../src/wire/request.js';

const counter = valueCounters();
const MATRIX = 'action_energy.v1.EnergyMatrixRequest';
const ROWS = 'action_energy.v1.CalibrateRequest';

function refused(type: string, bytes: Uint8Array, fields: number, packed: number): boolean {
  try {
    counter(type, { fields, packed })(bytes);
    return false;
  } catch (error) {
    assert.ok(error instanceof Fault && error.kind === 'invalid', String(error));
    return true;
  }
}

/** The fewest fields that a message passes with. */
function fieldsOf(type: string, bytes: Uint8Array): number {
  let fields = 0;
  while (refused(type, bytes, fields, Infinity)) fields++;
  return fields;
}

describe('counting what a message would become', () => {
  it('counts fields of sub-messages, but not the bytes of tensors', () => {
    const tensor = { dtype: 'FLOAT32' as const, shape: [1, 2, 3], data: Buffer.alloc(1000, 0x12) };
    const inline = { hidden: tensor, maskPieces: { numPatches: 1, actionTokens: [{ start: 1, end: 2 }] } };
    const one = contract.energy.EnergyMatrix.requestSerialize({ contexts: [{ inline }] });
    // contexts, inline, hidden, dtype, shape, data, mask_pieces, num_patches, action_tokens, start, end
    assert.equal(fieldsOf(MATRIX, one), 11);
    const two = contract.energy.EnergyMatrix.requestSerialize({
      contexts: [{ inline }, {}],
      actions: tensor,
    });
    assert.equal(fieldsOf(MATRIX, two), 16);
  });

  it('refuses millions of empty messages, and millions of numbers', () => {
    const empties = Buffer.alloc(22_000_000);
    for (let i = 0; i < empties.length; i += 2) empties[i] = 0x12;
    assert.ok(refused(MATRIX, empties, 8192, 8192));
    const rows = contract.calibration.Calibrate.requestSerialize({
      rows: { step: Array<number>(1000).fill(1) },
    });
    assert.ok(refused(ROWS, rows, 8192, 999));
    assert.ok(!refused(ROWS, rows, 8192, 1000));
    const offsets = contract.calibration.Calibrate.requestSerialize({
      rows: { offsets: Array.from({ length: 1000 }, (_, i) => i) },
    });
    assert.ok(refused(ROWS, offsets, 8192, 999));
    assert.ok(!refused(ROWS, offsets, 8192, 1000));
  });

  it('counts groups and unknown fields too', () => {
    const groups = Buffer.alloc(10_000, 0x7b); // start of group 15, nested ever deeper
    assert.ok(refused(MATRIX, groups, 8192, 8192));
    const unknown = Buffer.alloc(20_000);
    for (let i = 0; i < unknown.length; i += 2) unknown[i] = 0x78;
    assert.ok(refused(MATRIX, unknown, 8192, 8192));
  });

  it('never throws anything but its refusal, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        refused(MATRIX, bytes, 50, 50);
        refused(ROWS, bytes, 50, 50);
        assert.ok(!refused(MATRIX, bytes, Infinity, Infinity));
      }),
    );
  });
});

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

describe('of several fields of one oneof', () => {
  const decode = (method: { path: string; requestDeserialize: (bytes: Buffer) => unknown }, type: string) => {
    const { requestDeserialize } = withDecodedRequest(
      method as never,
      counter(type, { fields: 8192, packed: 8192 }),
    );
    return (bytes: Buffer): unknown => {
      const decoded = (requestDeserialize as unknown as (raw: Buffer) => Decoded<object>)(bytes);
      assert.ok(decoded.ok);
      return decoded.message;
    };
  };
  const { ScoreActions, EnergyMatrix } = contract.energy;
  const inline = { hidden: { dtype: 'FLOAT32' as const, shape: [1], data: Buffer.alloc(4) } };

  it('the last on the wire counts', () => {
    const score = decode(ScoreActions, 'action_energy.v1.ScoreActionsRequest');
    const byId = ScoreActions.requestSerialize({ contextId: 'abc' });
    const whole = ScoreActions.requestSerialize({ inline });
    const first = score(Buffer.concat([byId, whole])) as Record<string, unknown>;
    assert.equal(first.context, 'inline');
    assert.equal(first.contextId, undefined);
    assert.ok(first.inline);
    const second = score(Buffer.concat([byId, whole, byId])) as Record<string, unknown>;
    assert.equal(second.context, 'contextId');
    assert.equal(second.contextId, 'abc');
    assert.equal(second.inline, undefined);
  });

  it('in messages within messages, too, each by itself', () => {
    const matrix = decode(EnergyMatrix, MATRIX);
    const one = EnergyMatrix.requestSerialize({ contexts: [{ contextId: 'abc' }] });
    const both = Buffer.from(one); // its context holds two fields
    const extra = EnergyMatrix.requestSerialize({ contexts: [{ inline }] }).subarray(2);
    const second = Buffer.concat([
      both.subarray(0, 1),
      Buffer.from([5 + extra.length]),
      both.subarray(2),
      extra,
    ]);
    const { contexts } = matrix(Buffer.concat([one, second])) as { contexts: Record<string, unknown>[] };
    assert.deepEqual(
      contexts.map(({ source, contextId, inline: held }) => [source, contextId, held !== undefined]),
      [
        ['contextId', 'abc', false],
        ['inline', undefined, true],
      ],
    );
  });
});

test('64-bit ids come back exactly', () => {
  const { ScoreActionsStream } = contract.energy;
  const requestId = '18446744073709551615';
  const bytes = ScoreActionsStream.requestSerialize({ requestId });
  assert.equal(ScoreActionsStream.requestDeserialize(bytes).requestId, requestId);
});
