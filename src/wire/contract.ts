/**
 * Loads `proto/` at run time: the one place that meets protobuf's untyped world. The types of the messages are generated
 * from the same files (`npm run generate`).
 *
 * Conventions: camelCase fields, 64-bit integers as decimal strings (exact), enums as their names (a number when
 * unknown), bytes as a Buffer over the message's memory, defaults filled in, `oneof` names the set field.
 */
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import type { AdminServiceDefinition } from '../generated/action_energy/v1/AdminService.js';
import type { CalibrationServiceDefinition } from '../generated/action_energy/v1/CalibrationService.js';
import type { EnergyServiceDefinition } from '../generated/action_energy/v1/EnergyService.js';
import type { SelectionServiceDefinition } from '../generated/action_energy/v1/SelectionService.js';
import type { TrainingServiceDefinition } from '../generated/action_energy/v1/TrainingService.js';
import type { BadRequest } from '../generated/google/rpc/BadRequest.js';
import type { ErrorInfo, ErrorInfo__Output } from '../generated/google/rpc/ErrorInfo.js';
import type { ResourceInfo, ResourceInfo__Output } from '../generated/google/rpc/ResourceInfo.js';
import type { RetryInfo } from '../generated/google/rpc/RetryInfo.js';
import type { Status, Status__Output } from '../generated/google/rpc/Status.js';
import type { BadRequest__Output } from '../generated/google/rpc/BadRequest.js';
import type { RetryInfo__Output } from '../generated/google/rpc/RetryInfo.js';

/** The folder that holds `action_energy/v1/*.proto`; the same from `dist/src/wire/` in a clone and in a package. */
export const PROTO_ROOT = fileURLToPath(new URL('../../../proto/', import.meta.url));

/** Those of the contract, below it. */
export const PROTO_FILES = [
  'action_energy/v1/energy.proto',
  'action_energy/v1/admin.proto',
  'action_energy/v1/calibration.proto',
  'action_energy/v1/selection.proto',
  'action_energy/v1/training.proto',
  'google/rpc/error_details.proto',
] as const;

export const ENERGY_SERVICE = 'action_energy.v1.EnergyService';
export const ADMIN_SERVICE = 'action_energy.v1.AdminService';
export const CALIBRATION_SERVICE = 'action_energy.v1.CalibrationService';
export const SELECTION_SERVICE = 'action_energy.v1.SelectionService';
export const TRAINING_SERVICE = 'action_energy.v1.TrainingService';

export interface Contract {
  /** Everything that reflection shows, the health service included. */
  readonly packages: PackageDefinition;
  readonly energy: EnergyServiceDefinition;
  readonly admin: AdminServiceDefinition;
  readonly calibration: CalibrationServiceDefinition;
  readonly selection: SelectionServiceDefinition;
  readonly training: TrainingServiceDefinition;
  readonly status: MessageTypeDefinition<Status, Status__Output>;
  readonly badRequest: MessageTypeDefinition<BadRequest, BadRequest__Output>;
  readonly retryInfo: MessageTypeDefinition<RetryInfo, RetryInfo__Output>;
  readonly resourceInfo: MessageTypeDefinition<ResourceInfo, ResourceInfo__Output>;
  readonly errorInfo: MessageTypeDefinition<ErrorInfo, ErrorInfo__Output>;
}

/** Read from disk when this module is; immutable. */
export const contract: Contract = load();

function load(): Contract {
  const own = loadSync([...PROTO_FILES], {
    includeDirs: [PROTO_ROOT],
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return {
    packages: { ...own, ...loadSync(healthProtoPath) },
    energy: own[ENERGY_SERVICE] as ServiceDefinition as EnergyServiceDefinition,
    admin: own[ADMIN_SERVICE] as ServiceDefinition as AdminServiceDefinition,
    calibration: own[CALIBRATION_SERVICE] as ServiceDefinition as CalibrationServiceDefinition,
    selection: own[SELECTION_SERVICE] as ServiceDefinition as SelectionServiceDefinition,
    training: own[TRAINING_SERVICE] as ServiceDefinition as TrainingServiceDefinition,
    status: own['google.rpc.Status'] as Contract['status'],
    badRequest: own['google.rpc.BadRequest'] as Contract['badRequest'],
    retryInfo: own['google.rpc.RetryInfo'] as Contract['retryInfo'],
    resourceInfo: own['google.rpc.ResourceInfo'] as Contract['resourceInfo'],
    errorInfo: own['google.rpc.ErrorInfo'] as Contract['errorInfo'],
  };
}
