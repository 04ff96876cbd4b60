/** Priorities of threads, as the system has them. This file's process is its own, so its main thread may be lowered. */
import assert from 'node:assert/strict';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { giveWay, giveWayMeanwhile } from '../../../src/engine/give-way.js';

const onLinux = { skip: process.platform !== 'linux' && 'threads have names on Linux alone' };

test(
  'a thread gives way meanwhile where it may rise again, and hardly at all where it may not',
  onLinux,
  () => {
    giveWay(2);
    assert.equal(getPriority(), 2);
    const rise = giveWayMeanwhile(2, 16);
    const meanwhile = getPriority();
    rise();
    if (meanwhile === 16) assert.equal(getPriority(), 2);
    else {
      // nobody but root and who has CAP_SYS_NICE or RLIMIT_NICE may rise
      assert.equal(meanwhile, 3);
      assert.equal(getPriority(), 3);
    }
  },
);
