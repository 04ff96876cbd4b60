/**
 * The layers of `src`, lowest first: a file imports only from its own folder and from layers before it. Checked by
 * `npm run structure`, part of `npm run lint`; a new folder takes its place here.
 */
export const LAYERS = [
  'errors.ts',
  'random.ts',
  'versions.ts',
  'generated',
  'tensor',
  'weights',
  'graph',
  'wire',
  'model',
  'data',
  'energy',
  'engine',
  'batching',
  'offline',
  'selection',
  'calibration',
  'training',
  'importing', // scores with the settings that it doubts
  'quality',
  'recording',
  'config', // knows the defaults of those above
  'metrics',
  'planning',
  'tracing',
  'serving',
  'grpc',
  'client',
  'cli',
];
