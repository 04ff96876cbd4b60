import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExpectedWait } from '../../../src/serving/admission.js';
import type { ServedModel } from '../../../src/serving/served-model.js';

function model(drainEstimateMs: number, msPerUnit: number): Pick<ServedModel, 'scheduler' | 'pace'> {
  return { scheduler: { drainEstimateMs }, pace: { msPerUnit } } as Pick<ServedModel, 'scheduler' | 'pace'>;
}

describe('the expected wait', () => {
  it('is what waits, what is pledged and what is asked, on the soonest model', () => {
    const wait = new ExpectedWait();
    assert.equal(wait.answerMs(0, []), 0);
    assert.equal(wait.answerMs(0, [model(0, 10)]), 0); // idle: it takes whatever comes
    assert.equal(wait.answerMs(0, [model(30, 10)]), 40);
    const first = wait.pledge(0);
    wait.pledge(0);
    assert.equal(wait.answerMs(1, [model(30, 10)]), 60);
    assert.equal(wait.answerMs(1, [model(30, 10), model(0, 5)]), 15);
    first.end();
    first.end();
    assert.equal(wait.answerMs(1, [model(30, 10)]), 50);
  });

  it('counts a pledge until it has arrived, and then how long that took', () => {
    const wait = new ExpectedWait();
    const pledge = wait.pledge(100);
    pledge.arrived(150);
    pledge.end();
    assert.equal(wait.answerMs(200, [model(5, 10)]), 60); // 50 to arrive, during which 5 pass, and 10
  });

  it('forgets pledges of those on slow links', () => {
    const wait = new ExpectedWait();
    for (let i = 0; i < 100; i++) wait.pledge(0);
    assert.equal(wait.answerMs(250, [model(1, 10)]), 1011);
    assert.equal(wait.answerMs(251, [model(1, 10)]), 11);
  });
});
