/** What a training run tells: JSON lines, a TensorBoard event file that others can read, metrics for Prometheus. */
import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import { TrainingLog, type LogLine } from '../../../src/training/log.js';
import { withDirectory } from '../../support/bundles.js';

/** As tensorflow/core/util/event.proto and framework/summary.proto have it. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message Event {
    double wall_time = 1;
    int64 step = 2;
    oneof what { string file_version = 3; Summary summary = 5; }
  }
  message Summary { message Value { string tag = 1; float simple_value = 2; } repeated Value value = 1; }
`);

/** CRC-32C bit by bit, then TensorFlow's mask. */
function maskedCrc(data: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? 0x82f63b78n : 0n);
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

interface Event {
  readonly step: number;
  readonly fileVersion?: string;
  readonly summary?: { readonly value: readonly { readonly tag: string; readonly simpleValue: number }[] };
}

function eventsIn(directory: string): Event[] {
  const folder = path.join(directory, 'tensorboard');
  const [file, ...others] = readdirSync(folder);
  assert.deepEqual(others, []);
  assert.match(file!, /^events\.out\.tfevents\.\d+\./);
  const bytes = readFileSync(path.join(folder, file!));
  const type = root.lookupType('Event');
  const events: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    assert.equal(bytes.readUInt32LE(at + 8), maskedCrc(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(bytes.readUInt32LE(at + 12 + length), maskedCrc(data));
    events.push(type.toObject(type.decode(data), { longs: Number }) as Event);
    at += 16 + length;
  }
  return events;
}

const update = (step: number, loss: number): LogLine => ({ kind: 'train', step, energy_loss: loss });

test('the checksum of the test is the one of RFC 3720', () => {
  const crc = 0xe3069283; // of "123456789"
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  assert.equal(maskedCrc(Buffer.from('123456789')), masked);
});

test('lines, events and metrics say the same; a run that goes on has no gap and no double', () =>
  withDirectory((directory) => {
    const first = new TrainingLog(directory, 'arm "v2"', false);
    first.begin(0);
    for (const step of [1, 2, 3]) first.write(update(step, 4 - step));
    first.write({ kind: 'validation', step: 3, infonce: 0.75, regret: undefined, best: true });
    appendFileSync(first.file, '{"kind":"train","st'); // killed in the middle of a line

    const again = new TrainingLog(directory, 'arm "v2"', true);
    again.begin(2);
    again.write(update(3, 1.5));
    const lines = readFileSync(again.file, 'utf8').trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as LogLine),
      [update(1, 3), update(2, 2), update(3, 1.5)],
    );
    const [version, ...scalars] = eventsIn(directory);
    assert.equal(version!.fileVersion, 'brain.Event:2');
    assert.deepEqual(
      scalars.map(({ step, summary }) => [step, summary!.value[0]!.tag, summary!.value[0]!.simpleValue]),
      [
        [1, 'train/energy_loss', 3],
        [2, 'train/energy_loss', 2],
        [3, 'train/energy_loss', 1.5],
      ],
    );
    const metrics = readFileSync(path.join(directory, 'metrics.prom'), 'utf8');
    assert.match(metrics, /^# TYPE action_energy_training_energy_loss gauge$/m);
    assert.match(metrics, /^action_energy_training_energy_loss\{model="arm _v2_"\} 1\.5$/m);
    assert.match(metrics, /^action_energy_training_update\{model="arm _v2_"\} 3$/m);
    return Promise.resolve();
  }));
