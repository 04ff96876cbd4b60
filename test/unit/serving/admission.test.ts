import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExpectedWait } from '../../../src/serving/admission.js';
import type { ServedModel } from '../../../src/serving/served-model.js';

function model(drainEstimateMs: number, msPerUnit: number): Pick<ServedModel, 'scheduler' | 'pace'> {
  return { scheduler: { drainEstimateMs }, pace: { msPerUnit } } as Pick<ServedModel, 'scheduler' | 'pace'>;
}

const NOTHING = { answerMs: 0, estimateMs: 0 };

function answerMs(wait: ExpectedWait, nowMs: number, models: readonly ReturnType<typeof model>[]): number {
  return wait.expect(nowMs, models).answerMs;
}

describe('the expected wait', () => {
  it('is what waits, what is pledged and what is asked, on the soonest model', () => {
    const wait = new ExpectedWait();
    assert.equal(answerMs(wait, 0, []), 0);
    assert.equal(answerMs(wait, 0, [model(0, 10)]), 0); // idle: it takes whatever comes
    assert.equal(answerMs(wait, 0, [model(30, 10)]), 40);
    const first = wait.pledge(0, NOTHING);
    wait.pledge(0, NOTHING);
    assert.equal(answerMs(wait, 1, [model(30, 10)]), 60);
    assert.equal(answerMs(wait, 1, [model(30, 10), model(0, 5)]), 15);
    first.end();
    first.end();
    assert.equal(answerMs(wait, 1, [model(30, 10)]), 50);
  });

  it('counts a pledge until it has arrived, and then how long that took', () => {
    const wait = new ExpectedWait();
    const pledge = wait.pledge(100, NOTHING);
    pledge.arrived(150);
    pledge.end();
    assert.equal(answerMs(wait, 200, [model(5, 10)]), 60); // 50 to arrive, during which 5 pass, and 10
  });

  it('forgets pledges of those on slow links', () => {
    const wait = new ExpectedWait();
    for (let i = 0; i < 100; i++) wait.pledge(0, NOTHING);
    assert.equal(answerMs(wait, 250, [model(1, 10)]), 1011);
    assert.equal(answerMs(wait, 251, [model(1, 10)]), 11);
  });

  it('is stretched by what answers took beyond what was expected, and its spread, and recovers', () => {
    const wait = new ExpectedWait();
    const busy = [model(30, 10)];
    const settle = (tookMs: number): void => {
      const pledge = wait.pledge(0, wait.expect(0, busy));
      pledge.arrived(0);
      pledge.settled(tookMs);
      pledge.settled(10_000); // once
    };
    for (let i = 0; i < 100; i++) settle(80);
    assert.ok(Math.abs(answerMs(wait, 0, busy) - 80) < 1);
    for (let i = 0; i < 200; i++) settle(i % 2 === 0 ? 60 : 100);
    const spread = answerMs(wait, 0, busy);
    assert.ok(spread > 113 && spread < 127, String(spread)); // 80 and twice its deviation of 20
    for (let i = 0; i < 100; i++) settle(100_000);
    assert.equal(answerMs(wait, 0, busy), 160); // four times at most
    assert.equal(answerMs(wait, 0, [model(0, 10)]), 0); // an idle engine still takes one, from which it learns
    for (let i = 0; i < 400; i++) settle(20);
    assert.equal(answerMs(wait, 0, busy), 40); // never less than estimated
  });

  it('learns nothing from slow links', () => {
    const wait = new ExpectedWait();
    const busy = [model(30, 10)];
    const slow = wait.pledge(0, wait.expect(0, busy));
    wait.expect(300, busy);
    slow.arrived(5_000);
    slow.settled(5_040);
    assert.equal(answerMs(wait, 6_000, busy), 40);
  });
});
