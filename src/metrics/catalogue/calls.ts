/** Calls: the standard series of gRPC, the stages of a request, and what ended without a result. */
import { CALL_SECONDS, STAGE_SECONDS } from '../buckets.js';
import type { Catalogue } from '../metric.js';

export const STAGES = ['decode', 'queue', 'encode', 'score', 'respond'] as const;

const RPC = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

export const CALLS = {
  rpcStarted: {
    type: 'counter',
    name: 'grpc_server_started_total',
    unit: 'count',
    labels: RPC,
    help: 'Calls started. A fall to 0 means that clients or the network are gone; look at their logs first',
    panel: { row: 'calls', title: 'Calls started', show: 'rate', by: ['grpc_method'] },
  },
  rpcHandled: {
    type: 'counter',
    name: 'grpc_server_handled_total',
    unit: 'count',
    labels: [...RPC, 'grpc_code'],
    help: 'Calls completed, by status code. INVALID_ARGUMENT is the caller, RESOURCE_EXHAUSTED and DEADLINE_EXCEEDED the load, INTERNAL a defect: read the log',
    panel: { row: 'calls', title: 'Calls completed by code', show: 'rate', by: ['grpc_code'] },
  },
  rpcSeconds: {
    type: 'histogram',
    name: 'grpc_server_handling_seconds',
    unit: 'seconds',
    labels: RPC,
    buckets: CALL_SECONDS,
    help: 'From the headers of a call to its status. Beyond the control period robots act on late answers: see which stage grew',
    panel: { row: 'latency', title: 'Latency of calls', show: 'quantiles', by: ['grpc_method'] },
  },
  rpcReceived: {
    type: 'counter',
    name: 'grpc_server_msg_received_total',
    unit: 'count',
    labels: RPC,
    help: 'Messages received. On streams this is the request rate, since their calls last',
    panel: { row: 'calls', title: 'Messages received', show: 'rate', by: ['grpc_method'] },
  },
  rpcSent: {
    type: 'counter',
    name: 'grpc_server_msg_sent_total',
    unit: 'count',
    labels: RPC,
    help: 'Messages sent. Less than received means that requests end without an answer: see the refusals',
    panel: { row: 'calls', title: 'Messages sent', show: 'rate', by: ['grpc_method'] },
  },
  stageSeconds: {
    type: 'histogram',
    name: 'action_energy_stage_seconds',
    unit: 'seconds',
    labels: ['model', 'stage'],
    buckets: STAGE_SECONDS,
    help: 'Time of a request by stage; encode and score are those of its whole batch. A long queue wants capacity, a long encode wants kept contexts or fewer tokens, a long decode a client that sends bfloat16',
    panel: { row: 'latency', title: 'Latency by stage', show: 'quantiles', by: ['stage'] },
  },
  deadlineSlackSeconds: {
    type: 'histogram',
    name: 'action_energy_deadline_slack_seconds',
    unit: 'seconds',
    labels: ['model'],
    buckets: STAGE_SECONDS,
    help: 'Time left until the deadline when a request goes to the engine. Near 0 the next burst is lost: add capacity or lengthen the deadlines',
    panel: { row: 'latency', title: 'Slack before the deadline', show: 'quantiles' },
  },
  rejections: {
    type: 'counter',
    name: 'action_energy_rejections_total',
    unit: 'count',
    labels: ['model', 'reason'],
    help: 'Requests that ended without a result, by reason; without a model when all were full and the message was not read. queue_full and deadline want capacity, cancelled a look at the clients',
    panel: { row: 'refusals', title: 'Requests without a result by reason', show: 'rate', by: ['reason'] },
  },
} as const satisfies Catalogue;
