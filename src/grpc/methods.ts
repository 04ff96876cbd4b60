/**
 * Every method of the service, one row each: what a caller needs, whether it is queued, what its messages hold, and what
 * handles it. Transport, gate and handlers read this table; adding an RPC is adding a row (and its types to `proto/`).
 */
import type { Server, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { PassParts } from '../serving/calibration-passes.js';
import type { Scope } from '../serving/scope.js';
import type { ServingParts } from '../serving/admission.js';
import type { Permission } from '../serving/token-store.js';
import { contract } from '../wire/contract.js';
import {
  withDecodedRequest,
  valueCounters,
  type Decoded,
  type Parsed,
  type ValueBounds,
} from '../wire/request.js';
import { getModel, listModels, reload } from './admin/model-methods.js';
import { calibrate, evaluate, getCalibration } from './calibration/passes.js';
import { energyMatrix } from './energy/energy-matrix.js';
import { dropContext, putContext } from './energy/kept-contexts.js';
import { scoreActionsStream } from './energy/score-actions-stream.js';
import { scoreActions } from './energy/score-actions.js';
import { trainStep, type TrainStepParts } from './training/train-step.js';
import { reportOutcome } from './selection/report-outcome.js';
import { selectAction } from './selection/select-action.js';
import { answeredStream } from './transport/answered-stream.js';
import type { CallParts } from './transport/call-scope.js';
import { methodName, type MethodRule } from './transport/gate.js';
import { clientStream, unary } from './transport/handle-call.js';

export type HandlerParts = CallParts & ServingParts & PassParts & TrainStepParts;

interface Method extends MethodRule {
  readonly definition: ServiceDefinition[string];
  readonly bind: (parts: HandlerParts, name: string) => UntypedHandleCall;
}

type Queued = 'queued' | 'not queued';
type Takes = MethodRule['takes'];

const { energy, selection, calibration, training, admin } = contract;

const METHODS: readonly Method[] = [
  one(energy.ScoreActions, 'score', 'queued', 'tensors', scoreActions),
  stream(energy.ScoreActionsStream, 'score', 'not queued', 'tensors', scoreActionsStream),
  one(energy.PutContext, 'score', 'queued', 'tensors', putContext),
  one(energy.DropContext, 'score', 'not queued', 'names', dropContext),
  one(energy.EnergyMatrix, 'score', 'queued', 'tensors', energyMatrix),
  one(energy.ListModels, 'score', 'not queued', 'names', listModels),
  one(energy.GetModel, 'score', 'not queued', 'names', getModel),
  // answers with the baseline where there is no room
  one(selection.SelectAction, 'score', 'not queued', 'tensors', selectAction),
  one(selection.ReportOutcome, 'score', 'not queued', 'names', reportOutcome),
  many(calibration.Calibrate, 'calibrate', 'not queued', 'tensors', calibrate),
  many(calibration.Evaluate, 'calibrate', 'not queued', 'tensors', evaluate),
  one(calibration.GetCalibration, 'calibrate', 'not queued', 'names', getCalibration),
  each(training.TrainStep, 'train', 'not queued', 'tensors', trainStep),
  one(admin.Reload, 'admin', 'not queued', 'names', reload),
];

/** grpc.health.v1 is for probes, which have no tokens. */
const HEALTH = '/grpc.health.v1.Health/';
const RULES: ReadonlyMap<string, MethodRule> = new Map(
  METHODS.map((method) => [method.definition.path, method]),
);

/** What the gate must know; of reflection, and of what there is not: any token will do. */
export function ruleOf(path: string): MethodRule {
  const own = RULES.get(path);
  if (own !== undefined) return own;
  return { permission: path.startsWith(HEALTH) ? 'none' : 'any', queued: false, takes: 'names' };
}

/** A matrix of this many contexts has this many fields a context at most: tensor, mask and a few spans each. */
const FIELDS_PER_CONTEXT = 16;
/** What a request has besides: the spans of one mask, one weight a step. A thousand decode in about a millisecond. */
const MOST_FIELDS = 8_192;
const MOST_PACKED = 65_536;
const NAMES: ValueBounds = { fields: 256, packed: 256 };

/** Adds every row of the table. */
export function addMethods(server: Server, parts: HandlerParts): void {
  const counter = valueCounters();
  const tensors = {
    fields: MOST_FIELDS + FIELDS_PER_CONTEXT * parts.limits.contexts,
    packed: MOST_PACKED,
  };
  for (const { definition, takes, bind } of METHODS) {
    const name = methodName(definition.path);
    const count = counter(requestType(definition), takes === 'tensors' ? tensors : NAMES);
    server.addService({ [name]: withDecodedRequest(definition, count) }, { [name]: bind(parts, name) });
  }
}

/** Full name of a method's request message: it lies in the package of its service. */
function requestType({ path, ...definition }: ServiceDefinition[string]): string {
  const { requestType: type } = definition as unknown as { requestType: { type: { name: string } } };
  return `${path.slice(1, path.indexOf('/', 1)).replace(/\.[^.]*$/, '')}.${type.type.name}`;
}

/** One message, one answer. */
function one<In, Out, Request, Response>(
  definition: MethodDefinition<In, Response, Request, Out>,
  permission: Permission,
  queued: Queued,
  takes: Takes,
  handle: (
    parts: HandlerParts,
    request: Parsed<Request>,
    scope: Scope,
  ) => Promise<NoInfer<Response>> | NoInfer<Response>,
): Method {
  return method(definition, permission, queued, takes, (parts, name) =>
    unary<Request, Response>(parts, name, (request, scope) => handle(parts, request, scope)),
  );
}

/** Many messages, one answer. */
function many<In, Out, Request, Response>(
  definition: MethodDefinition<In, Response, Request, Out>,
  permission: Permission,
  queued: Queued,
  takes: Takes,
  handle: (parts: HandlerParts, messages: AsyncIterable<Request>, scope: Scope) => Promise<NoInfer<Response>>,
): Method {
  return method(definition, permission, queued, takes, (parts, name) =>
    clientStream<Request, Response>(parts, name, (messages, scope) => handle(parts, messages, scope)),
  );
}

/** Many messages, each with one answer. */
function each<In, Out, Request, Response>(
  definition: MethodDefinition<In, Response, Request, Out>,
  permission: Permission,
  queued: Queued,
  takes: Takes,
  handle: (
    parts: HandlerParts,
    messages: AsyncIterable<Decoded<Request>>,
    scope: Scope,
  ) => AsyncIterable<NoInfer<Response>>,
): Method {
  return method(definition, permission, queued, takes, (parts, name) =>
    answeredStream<Request, Response>(parts, name, (messages, scope) => handle(parts, messages, scope)),
  );
}

/** Many messages, many answers: the handler minds the stream itself. */
function stream<In, Out, Request, Response>(
  definition: MethodDefinition<In, Response, Request, Out>,
  permission: Permission,
  queued: Queued,
  takes: Takes,
  bind: Method['bind'],
): Method {
  return method(definition, permission, queued, takes, bind);
}

function method(
  definition: ServiceDefinition[string],
  permission: Permission,
  queued: Queued,
  takes: Takes,
  bind: Method['bind'],
): Method {
  return { definition, permission, queued: queued === 'queued', takes, bind };
}
