/** Unwrapping what an engine returns for one item. */
import assert from 'node:assert/strict';
import type { Outcome } from '../../src/engine/engine.js';
import { revivedFault, type Fault } from '../../src/errors.js';

/** The value; throws the fault where there is one. */
export function valueOf<T>(outcome: Outcome<T> | undefined): T {
  assert.ok(outcome);
  if (!outcome.ok) throw revivedFault(outcome.fault);
  return outcome.value;
}

/** The fault; fails where there is a value. */
export function faultOf(outcome: Outcome<unknown> | undefined): Fault {
  assert.ok(outcome);
  if (outcome.ok) assert.fail('a fault was expected, found a value');
  return revivedFault(outcome.fault);
}
