import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status as Code } from '@grpc/grpc-js';
import { Fault, invalid } from '../../../src/errors.js';
import { callStatus } from '../../../src/grpc/transport/status.js';
import { contract } from '../../../src/wire/contract.js';

test('invalid input carries the field and what was found', () => {
  const fault = invalid('candidates.shape[2]', 'wrong action dims', { found: '6', wanted: '7' });
  const status = callStatus(fault, 'r1');
  assert.equal(status.code, Code.INVALID_ARGUMENT);
  const packed = contract.status.deserialize(status.metadata.get('grpc-status-details-bin')[0] as Buffer);
  assert.equal(packed.code, 3);
  const detail = packed.details[0];
  assert.ok(detail !== undefined && 'type_url' in detail);
  assert.equal(detail.type_url, 'type.googleapis.com/google.rpc.BadRequest');
  assert.deepEqual(contract.badRequest.deserialize(detail.value).fieldViolations, [
    { field: 'candidates.shape[2]', description: 'wrong action dims; found 6; wanted 7' },
  ]);
});

test('a full queue says when to come back, in both ways', () => {
  const status = callStatus(new Fault('exhausted', 'the queue is full', { retryAfterMs: 1250.5 }), 'r2');
  assert.equal(status.code, Code.RESOURCE_EXHAUSTED);
  assert.deepEqual(status.metadata.get('grpc-retry-pushback-ms'), ['1251']);
  const packed = contract.status.deserialize(status.metadata.get('grpc-status-details-bin')[0] as Buffer);
  const detail = packed.details[0];
  assert.ok(detail !== undefined && 'type_url' in detail);
  const { retryDelay } = contract.retryInfo.deserialize(detail.value);
  assert.deepEqual({ ...retryDelay }, { seconds: '1', nanos: 250_500_000 });
});

/** The details of a fault by the last part of their type. */
function detailsOf(fault: Fault): Map<string, Buffer> {
  const [bytes] = callStatus(fault, 'r').metadata.get('grpc-status-details-bin');
  const details = contract.status.deserialize(bytes as Buffer).details;
  return new Map(
    details.flatMap((each) =>
      'type_url' in each ? [[each.type_url.split('.').at(-1)!, each.value] as const] : [],
    ),
  );
}

test('a lost context is told from an unknown model', () => {
  for (const [field, resourceType] of [
    ['context_id', 'context'],
    ['contexts[3].context_id', 'context'],
    ['model', 'model'],
    ['name', 'model'],
    ['request_id', 'decision'],
  ] as const) {
    const info = detailsOf(new Fault('not_found', 'not there', { field, found: 'x' })).get('ResourceInfo')!;
    const { resourceType: type, resourceName } = contract.resourceInfo.deserialize(info);
    assert.deepEqual([type, resourceName], [resourceType, 'x']);
  }
});

test('load that passes is told from a bound that holds', () => {
  for (const [fault, reason] of [
    [new Fault('exhausted', 'the queue is full', { retryAfterMs: 10 }), 'OVERLOADED'],
    [new Fault('exhausted', 'the message is too long'), 'LIMIT_EXCEEDED'],
  ] as const) {
    const info = contract.errorInfo.deserialize(detailsOf(fault).get('ErrorInfo')!);
    assert.deepEqual([info.reason, info.domain], [reason, 'action-energy']);
  }
});

test('an internal fault shows the request id and nothing else', () => {
  const status = callStatus(new Fault('internal', 'password is swordfish', { field: 'secret' }), 'r3');
  assert.equal(status.code, Code.INTERNAL);
  assert.match(status.details, /r3/);
  assert.doesNotMatch(status.details + JSON.stringify(status.metadata.toJSON()), /swordfish|secret/);
});

test('long and ill-formed texts fit into a header', () => {
  const status = callStatus(invalid('model', `unknown \ud800 ${'x'.repeat(10_000)}`), 'r4');
  assert.ok(status.details.length <= 500);
  assert.doesNotThrow(() => encodeURI(status.details));
});
