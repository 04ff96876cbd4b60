/** A typed client of one server, one connection. Messages are those of `proto/action_energy/v1`; errors are faults. */
import { Client, type Metadata } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import type { CalibrateResponse__Output } from '../generated/action_energy/v1/CalibrateResponse.js';
import type { DropContextRequest } from '../generated/action_energy/v1/DropContextRequest.js';
import type { DropContextResponse__Output } from '../generated/action_energy/v1/DropContextResponse.js';
import type { EnergyMatrixRequest } from '../generated/action_energy/v1/EnergyMatrixRequest.js';
import type { EnergyMatrixResponse__Output } from '../generated/action_energy/v1/EnergyMatrixResponse.js';
import type { EvaluateResponse__Output } from '../generated/action_energy/v1/EvaluateResponse.js';
import type { GetCalibrationResponse__Output } from '../generated/action_energy/v1/GetCalibrationResponse.js';
import type { Model__Output } from '../generated/action_energy/v1/Model.js';
import type { PutContextRequest } from '../generated/action_energy/v1/PutContextRequest.js';
import type { PutContextResponse__Output } from '../generated/action_energy/v1/PutContextResponse.js';
import type { ReloadResponse__Output } from '../generated/action_energy/v1/ReloadResponse.js';
import type { ScoreActionsRequest } from '../generated/action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse__Output } from '../generated/action_energy/v1/ScoreActionsResponse.js';
import type { ReportOutcomeRequest } from '../generated/action_energy/v1/ReportOutcomeRequest.js';
import type { ReportOutcomeResponse__Output } from '../generated/action_energy/v1/ReportOutcomeResponse.js';
import type { SelectActionRequest } from '../generated/action_energy/v1/SelectActionRequest.js';
import type { SelectActionResponse__Output } from '../generated/action_energy/v1/SelectActionResponse.js';
import { contract, ENERGY_SERVICE } from '../wire/contract.js';
import { callUnary, type CallSettings, type UnaryMethod } from './call.js';
import { uploadCalibration, type CalibrationUpload } from './calibration.js';
import { channelParts, type ChannelTarget } from './channel.js';
import { openScoreStream, type ScoreStream } from './stream.js';

/** In the order of their numbers in grpc.health.v1. */
const HEALTH_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

const HEALTH_SERVICE = 'grpc.health.v1.Health';
interface HealthMethods {
  readonly Check: MethodDefinition<{ service: string }, unknown, unknown, { status: number }>;
}

export class EnergyClient {
  readonly #channel: Client;
  readonly #metadata: Metadata;

  private constructor(channel: Client, metadata: Metadata) {
    this.#channel = channel;
    this.#metadata = metadata;
  }

  /** Connects with the first call. Errors: `invalid` target; a server that is not there fails the calls. */
  static async open(target: ChannelTarget): Promise<EnergyClient> {
    const { address, credentials, options, metadata } = await channelParts(target);
    return new EnergyClient(new Client(address, credentials, options), metadata);
  }

  score(request: ScoreActionsRequest, settings?: CallSettings): Promise<ScoreActionsResponse__Output> {
    return this.#call(contract.energy.ScoreActions, request, settings);
  }

  /** The chunk to execute. `timeoutMs` is when the call ends; the answer comes well before it, see `timeout_ms`. */
  selectAction(request: SelectActionRequest, settings?: CallSettings): Promise<SelectActionResponse__Output> {
    return this.#call(contract.selection.SelectAction, request, settings);
  }

  /** Errors: `not_found` a decision that the server does not remember. */
  reportOutcome(
    request: ReportOutcomeRequest,
    settings?: CallSettings,
  ): Promise<ReportOutcomeResponse__Output> {
    return this.#call(contract.selection.ReportOutcome, request, settings);
  }

  putContext(request: PutContextRequest, settings?: CallSettings): Promise<PutContextResponse__Output> {
    return this.#call(contract.energy.PutContext, request, settings);
  }

  dropContext(request: DropContextRequest, settings?: CallSettings): Promise<DropContextResponse__Output> {
    return this.#call(contract.energy.DropContext, request, settings);
  }

  matrix(request: EnergyMatrixRequest, settings?: CallSettings): Promise<EnergyMatrixResponse__Output> {
    return this.#call(contract.energy.EnergyMatrix, request, settings);
  }

  async listModels(settings?: CallSettings): Promise<Model__Output[]> {
    return (await this.#call(contract.energy.ListModels, {}, settings)).models;
  }

  /** The default model when `name` is empty. */
  getModel(name: string, settings?: CallSettings): Promise<Model__Output> {
    return this.#call(contract.energy.GetModel, { name }, settings);
  }

  /** Needs the `admin` permission where tokens are in use. All models when `model` is empty. */
  reload(model: string, settings?: CallSettings): Promise<ReloadResponse__Output> {
    return this.#call(contract.admin.Reload, { model }, settings);
  }

  /** Of the server, or of one model. Errors: `not_found` an unknown model. */
  async health(model?: string, settings?: CallSettings): Promise<HealthStatus> {
    const methods = contract.packages[HEALTH_SERVICE] as unknown as HealthMethods;
    const service = model === undefined ? '' : `${ENERGY_SERVICE}/${model}`;
    const { status } = await this.#call(methods.Check, { service }, settings);
    return HEALTH_STATUSES[status] ?? 'UNKNOWN';
  }

  /** Fits, writes and applies a calibration. Needs the `calibrate` permission. Errors: those of the data too. */
  calibrate(
    upload: CalibrationUpload,
    settings?: Pick<CallSettings, 'timeoutMs' | 'signal'>,
  ): Promise<CalibrateResponse__Output> {
    return uploadCalibration(this.#channel, contract.calibration.Calibrate, upload, this.#metadata, settings);
  }

  /** A report; writes and applies nothing. */
  evaluate(
    upload: CalibrationUpload,
    settings?: Pick<CallSettings, 'timeoutMs' | 'signal'>,
  ): Promise<EvaluateResponse__Output> {
    return uploadCalibration(this.#channel, contract.calibration.Evaluate, upload, this.#metadata, settings);
  }

  /** The calibration in force. Errors: `precondition` without one. */
  getCalibration(model: string, settings?: CallSettings): Promise<GetCalibrationResponse__Output> {
    return this.#call(contract.calibration.GetCalibration, { model }, settings);
  }

  /** A stream for a control loop; `timeoutMs` ends the whole of it. */
  stream(settings: Pick<CallSettings, 'timeoutMs' | 'signal' | 'affinity'> = {}): ScoreStream {
    return openScoreStream(this.#channel, this.#metadata, settings);
  }

  /** Ends the connection; calls under way end as `unavailable`. */
  close(): void {
    this.#channel.close();
  }

  #call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    settings: CallSettings | undefined,
  ): Promise<Response> {
    return callUnary(this.#channel, method, request, this.#metadata, settings);
  }
}
