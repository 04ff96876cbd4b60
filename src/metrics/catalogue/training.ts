/** Training over gRPC. What `action-energy train` writes for node exporter has other names. */
import { STAGE_SECONDS } from '../buckets.js';
import type { Catalogue } from '../metric.js';

export const TRAINING = {
  trainingSessions: {
    type: 'counter',
    name: 'action_energy_train_sessions_total',
    unit: 'count',
    labels: ['outcome'],
    help: 'TrainStep sessions that ended: done, cancelled (the client left, or the server stopped), ended (silence, or a message that was none), failed (a defect: read the log). The log has a line for each',
    panel: { row: 'training', title: 'Training sessions by outcome', show: 'rate', by: ['outcome'] },
  },
  trainSteps: {
    type: 'counter',
    name: 'action_energy_train_steps_total',
    unit: 'count',
    labels: ['outcome'],
    help: 'Batches of TrainStep: updated, gathered (for an update to come), refused (nothing was changed: the answer says what is wrong with the batch)',
    panel: { row: 'training', title: 'Training steps', show: 'rate', by: ['outcome'] },
  },
  trainStepSeconds: {
    type: 'histogram',
    name: 'action_energy_train_step_seconds',
    unit: 'seconds',
    labels: [],
    buckets: STAGE_SECONDS,
    help: 'Time of a training step, its wait for a processor included: it gives way to live requests. Give it more with --training-threads where cores are idle',
    panel: { row: 'training', title: 'Time of a training step', show: 'quantiles' },
  },
  trainStepLoss: {
    type: 'gauge',
    name: 'action_energy_train_step_loss',
    unit: 'nats',
    labels: [],
    help: 'Loss of the newest training step, energy_loss. One that rises wants a lower learning rate',
    panel: { row: 'training', title: 'energy_loss of the newest step', show: 'value' },
  },
} as const satisfies Catalogue;
