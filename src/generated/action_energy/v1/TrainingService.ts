// Original file: proto/action_energy/v1/training.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { TrainStepRequest as _action_energy_v1_TrainStepRequest, TrainStepRequest__Output as _action_energy_v1_TrainStepRequest__Output } from '../../action_energy/v1/TrainStepRequest.js';
import type { TrainStepResponse as _action_energy_v1_TrainStepResponse, TrainStepResponse__Output as _action_energy_v1_TrainStepResponse__Output } from '../../action_energy/v1/TrainStepResponse.js';

export interface TrainingServiceClient extends grpc.Client {
  TrainStep(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_TrainStepRequest, _action_energy_v1_TrainStepResponse__Output>;
  TrainStep(options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_TrainStepRequest, _action_energy_v1_TrainStepResponse__Output>;
  trainStep(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_TrainStepRequest, _action_energy_v1_TrainStepResponse__Output>;
  trainStep(options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_TrainStepRequest, _action_energy_v1_TrainStepResponse__Output>;
  
}

export interface TrainingServiceHandlers extends grpc.UntypedServiceImplementation {
  TrainStep: grpc.handleBidiStreamingCall<_action_energy_v1_TrainStepRequest__Output, _action_energy_v1_TrainStepResponse>;
  
}

export interface TrainingServiceDefinition extends grpc.ServiceDefinition {
  TrainStep: MethodDefinition<_action_energy_v1_TrainStepRequest, _action_energy_v1_TrainStepResponse, _action_energy_v1_TrainStepRequest__Output, _action_energy_v1_TrainStepResponse__Output>
}
