/** What a fault says, for tests of its words. */
import assert from 'node:assert/strict';
import { Fault } from '../../src/errors.js';

/** The message of the fault that `run` ends in; checks that it is one and of that kind. */
export async function faultText(run: () => unknown, kind: Fault['kind'] = 'invalid'): Promise<string> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.kind, kind, error.message);
    return error.message;
  }
  assert.fail('no fault');
}

/** Each part stands in the text. */
export function assertNames(text: string, ...parts: (string | RegExp)[]): void {
  for (const part of parts) {
    assert.ok(
      typeof part === 'string' ? text.includes(part) : part.test(text),
      `${String(part)} in:\n${text}`,
    );
  }
}
