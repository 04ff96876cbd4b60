// Original file: proto/action_energy/v1/admin.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ReloadRequest as _action_energy_v1_ReloadRequest, ReloadRequest__Output as _action_energy_v1_ReloadRequest__Output } from '../../action_energy/v1/ReloadRequest.js';
import type { ReloadResponse as _action_energy_v1_ReloadResponse, ReloadResponse__Output as _action_energy_v1_ReloadResponse__Output } from '../../action_energy/v1/ReloadResponse.js';

export interface AdminServiceClient extends grpc.Client {
  Reload(argument: _action_energy_v1_ReloadRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  Reload(argument: _action_energy_v1_ReloadRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  Reload(argument: _action_energy_v1_ReloadRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  Reload(argument: _action_energy_v1_ReloadRequest, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  reload(argument: _action_energy_v1_ReloadRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  reload(argument: _action_energy_v1_ReloadRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  reload(argument: _action_energy_v1_ReloadRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  reload(argument: _action_energy_v1_ReloadRequest, callback: grpc.requestCallback<_action_energy_v1_ReloadResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface AdminServiceHandlers extends grpc.UntypedServiceImplementation {
  Reload: grpc.handleUnaryCall<_action_energy_v1_ReloadRequest__Output, _action_energy_v1_ReloadResponse>;
  
}

export interface AdminServiceDefinition extends grpc.ServiceDefinition {
  Reload: MethodDefinition<_action_energy_v1_ReloadRequest, _action_energy_v1_ReloadResponse, _action_energy_v1_ReloadRequest__Output, _action_energy_v1_ReloadResponse__Output>
}
