/** The methods of the contract, bound to what does them. */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { CalibrateRequest__Output } from '../generated/action_energy/v1/CalibrateRequest.js';
import type { DropContextRequest__Output } from '../generated/action_energy/v1/DropContextRequest.js';
import type { EnergyMatrixRequest__Output } from '../generated/action_energy/v1/EnergyMatrixRequest.js';
import type { GetCalibrationRequest__Output } from '../generated/action_energy/v1/GetCalibrationRequest.js';
import type { GetModelRequest__Output } from '../generated/action_energy/v1/GetModelRequest.js';
import type { ListModelsRequest__Output } from '../generated/action_energy/v1/ListModelsRequest.js';
import type { PutContextRequest__Output } from '../generated/action_energy/v1/PutContextRequest.js';
import type { ReloadRequest__Output } from '../generated/action_energy/v1/ReloadRequest.js';
import type { ScoreActionsRequest__Output } from '../generated/action_energy/v1/ScoreActionsRequest.js';
import { contract } from '../wire/contract.js';
import { withDecodedRequests } from '../wire/request.js';
import {
  calibrateModel,
  evaluateModel,
  getCalibration,
  type CalibrationParts,
} from './calibration/calibrate-model.js';
import { unary, type CallParts } from './transport/unary.js';
import { clientStream } from './transport/client-stream.js';
import { dropContext, putContext } from './energy/kept-contexts.js';
import { energyMatrix } from './energy/energy-matrix.js';
import { getModel, listModels } from './admin/model-message.js';
import { scoreActionsStream } from './energy/score-actions-stream.js';
import { scoreActions, type EnergyParts } from './energy/score-actions.js';
import { versionInForce } from '../serving/served-model.js';

export type HandlerParts = CallParts & EnergyParts & CalibrationParts;

/** Adds EnergyService, CalibrationService and AdminService. */
export function addServices(server: Server, parts: HandlerParts): void {
  add(server, contract.energy, {
    ScoreActions: unary<ScoreActionsRequest__Output, unknown>(parts, 'ScoreActions', (request, scope) =>
      scoreActions(parts, request, scope),
    ),
    ScoreActionsStream: scoreActionsStream(parts, 'ScoreActionsStream'),
    PutContext: unary<PutContextRequest__Output, unknown>(parts, 'PutContext', (request, scope) =>
      putContext(parts, request, scope),
    ),
    DropContext: unary<DropContextRequest__Output, unknown>(parts, 'DropContext', (request, scope) =>
      dropContext(parts, request, scope),
    ),
    EnergyMatrix: unary<EnergyMatrixRequest__Output, unknown>(parts, 'EnergyMatrix', (request, scope) =>
      energyMatrix(parts, request, scope),
    ),
    ListModels: unary<ListModelsRequest__Output, unknown>(parts, 'ListModels', () => listModels(parts)),
    GetModel: unary<GetModelRequest__Output, unknown>(parts, 'GetModel', ({ message }) =>
      getModel(parts, message.name),
    ),
  });
  add(server, contract.calibration, {
    Calibrate: clientStream<CalibrateRequest__Output, unknown>(parts, 'Calibrate', (messages, scope) =>
      calibrateModel(parts, messages, scope),
    ),
    Evaluate: clientStream<CalibrateRequest__Output, unknown>(parts, 'Evaluate', (messages, scope) =>
      evaluateModel(parts, messages, scope),
    ),
    GetCalibration: unary<GetCalibrationRequest__Output, unknown>(
      parts,
      'GetCalibration',
      ({ message }, scope) => getCalibration(parts, message.model, scope),
    ),
  });
  add(server, contract.admin, {
    Reload: unary<ReloadRequest__Output, unknown>(parts, 'Reload', async ({ message }) => ({
      models: (await parts.models.reload(message.model)).map(versionInForce),
    })),
  });
}

function add(server: Server, definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
  server.addService(withDecodedRequests(definition), handlers);
}
