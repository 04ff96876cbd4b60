/** What the server may take at most, how much of it is taken and by whom. */
import type { Catalogue } from '../metric.js';
import type { ModelSample, ServerSample } from '../sample.js';

export const CAPACITY = {
  budgetBytes: {
    type: 'gauge',
    name: 'action_energy_memory_budget_bytes',
    unit: 'bytes',
    labels: ['part'],
    help: 'Memory that clients cause, of the budget: kept contexts, calls, messages under way and queued, what is sent ahead of those that wait, answers that are not taken, a training session. At the limit uploads wait and messages are refused: look at the calls by client',
    panel: { row: 'capacity', title: 'Memory budget taken', show: 'value', by: ['part'] },
    readServer: ({ budget }: ServerSample) =>
      Object.entries(budget.taken).map(([part, bytes]) => [{ part }, bytes] as const),
  },
  budgetLimitBytes: {
    type: 'gauge',
    name: 'action_energy_memory_budget_limit_bytes',
    unit: 'bytes',
    labels: [],
    help: 'The memory budget, --memory-bytes; by default half of what the process may use. Raise it where the machine has more',
    panel: { row: 'capacity', title: 'Memory budget', show: 'value' },
    readServer: ({ budget }: ServerSample) => [[{}, budget.limitBytes]],
  },
  queueLimit: {
    type: 'gauge',
    name: 'action_energy_queue_limit',
    unit: 'count',
    labels: ['model'],
    help: 'Requests that may wait for the engine, --queue-items. A depth near it means that the next burst is refused: add an instance',
    panel: { row: 'capacity', title: 'Requests that may wait', show: 'value' },
    read: ({ capacity }: ModelSample) => [[{}, capacity.queueItems]],
  },
  queueLimitBytes: {
    type: 'gauge',
    name: 'action_energy_queue_limit_bytes',
    unit: 'bytes',
    labels: ['model'],
    help: 'Memory that waiting requests may take, --queue-bytes. Reached before the number of requests, they are large: keep contexts',
    panel: { row: 'capacity', title: 'Memory of requests that may wait', show: 'value' },
    read: ({ capacity }: ModelSample) => [[{}, capacity.queueBytes]],
  },
  cacheLimitBytes: {
    type: 'gauge',
    name: 'action_energy_context_cache_limit_bytes',
    unit: 'bytes',
    labels: ['model'],
    help: "Memory that kept contexts may take: --context-bytes, or the model's part of half of the memory budget. With evictions by lru it is too small",
    panel: { row: 'capacity', title: 'Memory of contexts that may be kept', show: 'value' },
    read: ({ capacity }: ModelSample) => [[{}, capacity.contextBytes]],
  },
  clientCalls: {
    type: 'counter',
    name: 'action_energy_client_calls_total',
    unit: 'count',
    labels: ['client', 'grpc_code'],
    help: 'Calls ended, by the name of their token and by code; certificate and anonymous without tokens, other beyond the first 64 names. The client that grows is the one to talk to',
    panel: { row: 'capacity', title: 'Calls by client', show: 'rate', by: ['client', 'grpc_code'] },
  },
  buildInfo: {
    type: 'gauge',
    name: 'action_energy_build_info',
    unit: 'info',
    labels: ['version', 'node', 'onnxruntime'],
    help: '1 for the version that runs, with that of Node and of ONNX Runtime. Instances of a fleet should show one line: finish the roll-out',
    panel: { row: 'models', title: 'Builds', show: 'table' },
    readServer: ({ build }: ServerSample) => [[{ ...build }, 1]],
  },
} as const satisfies Catalogue;
