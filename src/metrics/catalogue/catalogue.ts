/**
 * Every metric, once. To add one: an entry in the file of its area, with a help text that says what to do about it and the row
 * of the dashboard where it stands. The series (`../metrics.ts`), the dashboards under deploy/grafana and the tests follow.
 */
import { CALLS } from './calls.js';
import { CAPACITY } from './capacity.js';
import { CONNECTIONS } from './connections.js';
import { ENERGIES } from './energies.js';
import { ENGINE } from './engine.js';
import { MODELS } from './models.js';
import { SELECTION } from './selection.js';
import { TRAINING } from './training.js';

export const CATALOGUE = {
  ...CALLS,
  ...CAPACITY,
  ...CONNECTIONS,
  ...ENGINE,
  ...ENERGIES,
  ...MODELS,
  ...SELECTION,
  ...TRAINING,
} as const;
