// Original file: proto/action_energy/v1/calibration.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CalibrateRequest as _action_energy_v1_CalibrateRequest, CalibrateRequest__Output as _action_energy_v1_CalibrateRequest__Output } from '../../action_energy/v1/CalibrateRequest.js';
import type { CalibrateResponse as _action_energy_v1_CalibrateResponse, CalibrateResponse__Output as _action_energy_v1_CalibrateResponse__Output } from '../../action_energy/v1/CalibrateResponse.js';
import type { EvaluateResponse as _action_energy_v1_EvaluateResponse, EvaluateResponse__Output as _action_energy_v1_EvaluateResponse__Output } from '../../action_energy/v1/EvaluateResponse.js';
import type { GetCalibrationRequest as _action_energy_v1_GetCalibrationRequest, GetCalibrationRequest__Output as _action_energy_v1_GetCalibrationRequest__Output } from '../../action_energy/v1/GetCalibrationRequest.js';
import type { GetCalibrationResponse as _action_energy_v1_GetCalibrationResponse, GetCalibrationResponse__Output as _action_energy_v1_GetCalibrationResponse__Output } from '../../action_energy/v1/GetCalibrationResponse.js';

export interface CalibrationServiceClient extends grpc.Client {
  Calibrate(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  Calibrate(metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  Calibrate(options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  Calibrate(callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  calibrate(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  calibrate(metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  calibrate(options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  calibrate(callback: grpc.requestCallback<_action_energy_v1_CalibrateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  
  Evaluate(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  Evaluate(metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  Evaluate(options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  Evaluate(callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  evaluate(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  evaluate(metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  evaluate(options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  evaluate(callback: grpc.requestCallback<_action_energy_v1_EvaluateResponse__Output>): grpc.ClientWritableStream<_action_energy_v1_CalibrateRequest>;
  
  GetCalibration(argument: _action_energy_v1_GetCalibrationRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  GetCalibration(argument: _action_energy_v1_GetCalibrationRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  GetCalibration(argument: _action_energy_v1_GetCalibrationRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  GetCalibration(argument: _action_energy_v1_GetCalibrationRequest, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  getCalibration(argument: _action_energy_v1_GetCalibrationRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  getCalibration(argument: _action_energy_v1_GetCalibrationRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  getCalibration(argument: _action_energy_v1_GetCalibrationRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  getCalibration(argument: _action_energy_v1_GetCalibrationRequest, callback: grpc.requestCallback<_action_energy_v1_GetCalibrationResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface CalibrationServiceHandlers extends grpc.UntypedServiceImplementation {
  Calibrate: grpc.handleClientStreamingCall<_action_energy_v1_CalibrateRequest__Output, _action_energy_v1_CalibrateResponse>;
  
  Evaluate: grpc.handleClientStreamingCall<_action_energy_v1_CalibrateRequest__Output, _action_energy_v1_EvaluateResponse>;
  
  GetCalibration: grpc.handleUnaryCall<_action_energy_v1_GetCalibrationRequest__Output, _action_energy_v1_GetCalibrationResponse>;
  
}

export interface CalibrationServiceDefinition extends grpc.ServiceDefinition {
  Calibrate: MethodDefinition<_action_energy_v1_CalibrateRequest, _action_energy_v1_CalibrateResponse, _action_energy_v1_CalibrateRequest__Output, _action_energy_v1_CalibrateResponse__Output>
  Evaluate: MethodDefinition<_action_energy_v1_CalibrateRequest, _action_energy_v1_EvaluateResponse, _action_energy_v1_CalibrateRequest__Output, _action_energy_v1_EvaluateResponse__Output>
  GetCalibration: MethodDefinition<_action_energy_v1_GetCalibrationRequest, _action_energy_v1_GetCalibrationResponse, _action_energy_v1_GetCalibrationRequest__Output, _action_energy_v1_GetCalibrationResponse__Output>
}
