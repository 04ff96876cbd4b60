// Original file: proto/action_energy/v1/selection.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ReportOutcomeRequest as _action_energy_v1_ReportOutcomeRequest, ReportOutcomeRequest__Output as _action_energy_v1_ReportOutcomeRequest__Output } from '../../action_energy/v1/ReportOutcomeRequest.js';
import type { ReportOutcomeResponse as _action_energy_v1_ReportOutcomeResponse, ReportOutcomeResponse__Output as _action_energy_v1_ReportOutcomeResponse__Output } from '../../action_energy/v1/ReportOutcomeResponse.js';
import type { SelectActionRequest as _action_energy_v1_SelectActionRequest, SelectActionRequest__Output as _action_energy_v1_SelectActionRequest__Output } from '../../action_energy/v1/SelectActionRequest.js';
import type { SelectActionResponse as _action_energy_v1_SelectActionResponse, SelectActionResponse__Output as _action_energy_v1_SelectActionResponse__Output } from '../../action_energy/v1/SelectActionResponse.js';

export interface SelectionServiceClient extends grpc.Client {
  ReportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  ReportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  ReportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  ReportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  reportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  reportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  reportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  reportOutcome(argument: _action_energy_v1_ReportOutcomeRequest, callback: grpc.requestCallback<_action_energy_v1_ReportOutcomeResponse__Output>): grpc.ClientUnaryCall;
  
  SelectAction(argument: _action_energy_v1_SelectActionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  SelectAction(argument: _action_energy_v1_SelectActionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  SelectAction(argument: _action_energy_v1_SelectActionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  SelectAction(argument: _action_energy_v1_SelectActionRequest, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  selectAction(argument: _action_energy_v1_SelectActionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  selectAction(argument: _action_energy_v1_SelectActionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  selectAction(argument: _action_energy_v1_SelectActionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  selectAction(argument: _action_energy_v1_SelectActionRequest, callback: grpc.requestCallback<_action_energy_v1_SelectActionResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface SelectionServiceHandlers extends grpc.UntypedServiceImplementation {
  ReportOutcome: grpc.handleUnaryCall<_action_energy_v1_ReportOutcomeRequest__Output, _action_energy_v1_ReportOutcomeResponse>;
  
  SelectAction: grpc.handleUnaryCall<_action_energy_v1_SelectActionRequest__Output, _action_energy_v1_SelectActionResponse>;
  
}

export interface SelectionServiceDefinition extends grpc.ServiceDefinition {
  ReportOutcome: MethodDefinition<_action_energy_v1_ReportOutcomeRequest, _action_energy_v1_ReportOutcomeResponse, _action_energy_v1_ReportOutcomeRequest__Output, _action_energy_v1_ReportOutcomeResponse__Output>
  SelectAction: MethodDefinition<_action_energy_v1_SelectActionRequest, _action_energy_v1_SelectActionResponse, _action_energy_v1_SelectActionRequest__Output, _action_energy_v1_SelectActionResponse__Output>
}
