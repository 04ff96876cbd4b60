// Original file: proto/action_energy/v1/energy.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DropContextRequest as _action_energy_v1_DropContextRequest, DropContextRequest__Output as _action_energy_v1_DropContextRequest__Output } from '../../action_energy/v1/DropContextRequest.js';
import type { DropContextResponse as _action_energy_v1_DropContextResponse, DropContextResponse__Output as _action_energy_v1_DropContextResponse__Output } from '../../action_energy/v1/DropContextResponse.js';
import type { EnergyMatrixRequest as _action_energy_v1_EnergyMatrixRequest, EnergyMatrixRequest__Output as _action_energy_v1_EnergyMatrixRequest__Output } from '../../action_energy/v1/EnergyMatrixRequest.js';
import type { EnergyMatrixResponse as _action_energy_v1_EnergyMatrixResponse, EnergyMatrixResponse__Output as _action_energy_v1_EnergyMatrixResponse__Output } from '../../action_energy/v1/EnergyMatrixResponse.js';
import type { GetModelRequest as _action_energy_v1_GetModelRequest, GetModelRequest__Output as _action_energy_v1_GetModelRequest__Output } from '../../action_energy/v1/GetModelRequest.js';
import type { ListModelsRequest as _action_energy_v1_ListModelsRequest, ListModelsRequest__Output as _action_energy_v1_ListModelsRequest__Output } from '../../action_energy/v1/ListModelsRequest.js';
import type { ListModelsResponse as _action_energy_v1_ListModelsResponse, ListModelsResponse__Output as _action_energy_v1_ListModelsResponse__Output } from '../../action_energy/v1/ListModelsResponse.js';
import type { Model as _action_energy_v1_Model, Model__Output as _action_energy_v1_Model__Output } from '../../action_energy/v1/Model.js';
import type { PutContextRequest as _action_energy_v1_PutContextRequest, PutContextRequest__Output as _action_energy_v1_PutContextRequest__Output } from '../../action_energy/v1/PutContextRequest.js';
import type { PutContextResponse as _action_energy_v1_PutContextResponse, PutContextResponse__Output as _action_energy_v1_PutContextResponse__Output } from '../../action_energy/v1/PutContextResponse.js';
import type { ScoreActionsRequest as _action_energy_v1_ScoreActionsRequest, ScoreActionsRequest__Output as _action_energy_v1_ScoreActionsRequest__Output } from '../../action_energy/v1/ScoreActionsRequest.js';
import type { ScoreActionsResponse as _action_energy_v1_ScoreActionsResponse, ScoreActionsResponse__Output as _action_energy_v1_ScoreActionsResponse__Output } from '../../action_energy/v1/ScoreActionsResponse.js';
import type { ScoreActionsStreamRequest as _action_energy_v1_ScoreActionsStreamRequest, ScoreActionsStreamRequest__Output as _action_energy_v1_ScoreActionsStreamRequest__Output } from '../../action_energy/v1/ScoreActionsStreamRequest.js';
import type { ScoreActionsStreamResponse as _action_energy_v1_ScoreActionsStreamResponse, ScoreActionsStreamResponse__Output as _action_energy_v1_ScoreActionsStreamResponse__Output } from '../../action_energy/v1/ScoreActionsStreamResponse.js';

export interface EnergyServiceClient extends grpc.Client {
  DropContext(argument: _action_energy_v1_DropContextRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  DropContext(argument: _action_energy_v1_DropContextRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  DropContext(argument: _action_energy_v1_DropContextRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  DropContext(argument: _action_energy_v1_DropContextRequest, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  dropContext(argument: _action_energy_v1_DropContextRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  dropContext(argument: _action_energy_v1_DropContextRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  dropContext(argument: _action_energy_v1_DropContextRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  dropContext(argument: _action_energy_v1_DropContextRequest, callback: grpc.requestCallback<_action_energy_v1_DropContextResponse__Output>): grpc.ClientUnaryCall;
  
  EnergyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  EnergyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  EnergyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  EnergyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  energyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  energyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  energyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  energyMatrix(argument: _action_energy_v1_EnergyMatrixRequest, callback: grpc.requestCallback<_action_energy_v1_EnergyMatrixResponse__Output>): grpc.ClientUnaryCall;
  
  GetModel(argument: _action_energy_v1_GetModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  GetModel(argument: _action_energy_v1_GetModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  GetModel(argument: _action_energy_v1_GetModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  GetModel(argument: _action_energy_v1_GetModelRequest, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  getModel(argument: _action_energy_v1_GetModelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  getModel(argument: _action_energy_v1_GetModelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  getModel(argument: _action_energy_v1_GetModelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  getModel(argument: _action_energy_v1_GetModelRequest, callback: grpc.requestCallback<_action_energy_v1_Model__Output>): grpc.ClientUnaryCall;
  
  ListModels(argument: _action_energy_v1_ListModelsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _action_energy_v1_ListModelsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _action_energy_v1_ListModelsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _action_energy_v1_ListModelsRequest, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _action_energy_v1_ListModelsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _action_energy_v1_ListModelsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _action_energy_v1_ListModelsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _action_energy_v1_ListModelsRequest, callback: grpc.requestCallback<_action_energy_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  
  PutContext(argument: _action_energy_v1_PutContextRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  PutContext(argument: _action_energy_v1_PutContextRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  PutContext(argument: _action_energy_v1_PutContextRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  PutContext(argument: _action_energy_v1_PutContextRequest, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  putContext(argument: _action_energy_v1_PutContextRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  putContext(argument: _action_energy_v1_PutContextRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  putContext(argument: _action_energy_v1_PutContextRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  putContext(argument: _action_energy_v1_PutContextRequest, callback: grpc.requestCallback<_action_energy_v1_PutContextResponse__Output>): grpc.ClientUnaryCall;
  
  ScoreActions(argument: _action_energy_v1_ScoreActionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  ScoreActions(argument: _action_energy_v1_ScoreActionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  ScoreActions(argument: _action_energy_v1_ScoreActionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  ScoreActions(argument: _action_energy_v1_ScoreActionsRequest, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  scoreActions(argument: _action_energy_v1_ScoreActionsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  scoreActions(argument: _action_energy_v1_ScoreActionsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  scoreActions(argument: _action_energy_v1_ScoreActionsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  scoreActions(argument: _action_energy_v1_ScoreActionsRequest, callback: grpc.requestCallback<_action_energy_v1_ScoreActionsResponse__Output>): grpc.ClientUnaryCall;
  
  ScoreActionsStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_ScoreActionsStreamRequest, _action_energy_v1_ScoreActionsStreamResponse__Output>;
  ScoreActionsStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_ScoreActionsStreamRequest, _action_energy_v1_ScoreActionsStreamResponse__Output>;
  scoreActionsStream(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_ScoreActionsStreamRequest, _action_energy_v1_ScoreActionsStreamResponse__Output>;
  scoreActionsStream(options?: grpc.CallOptions): grpc.ClientDuplexStream<_action_energy_v1_ScoreActionsStreamRequest, _action_energy_v1_ScoreActionsStreamResponse__Output>;
  
}

export interface EnergyServiceHandlers extends grpc.UntypedServiceImplementation {
  DropContext: grpc.handleUnaryCall<_action_energy_v1_DropContextRequest__Output, _action_energy_v1_DropContextResponse>;
  
  EnergyMatrix: grpc.handleUnaryCall<_action_energy_v1_EnergyMatrixRequest__Output, _action_energy_v1_EnergyMatrixResponse>;
  
  GetModel: grpc.handleUnaryCall<_action_energy_v1_GetModelRequest__Output, _action_energy_v1_Model>;
  
  ListModels: grpc.handleUnaryCall<_action_energy_v1_ListModelsRequest__Output, _action_energy_v1_ListModelsResponse>;
  
  PutContext: grpc.handleUnaryCall<_action_energy_v1_PutContextRequest__Output, _action_energy_v1_PutContextResponse>;
  
  ScoreActions: grpc.handleUnaryCall<_action_energy_v1_ScoreActionsRequest__Output, _action_energy_v1_ScoreActionsResponse>;
  
  ScoreActionsStream: grpc.handleBidiStreamingCall<_action_energy_v1_ScoreActionsStreamRequest__Output, _action_energy_v1_ScoreActionsStreamResponse>;
  
}

export interface EnergyServiceDefinition extends grpc.ServiceDefinition {
  DropContext: MethodDefinition<_action_energy_v1_DropContextRequest, _action_energy_v1_DropContextResponse, _action_energy_v1_DropContextRequest__Output, _action_energy_v1_DropContextResponse__Output>
  EnergyMatrix: MethodDefinition<_action_energy_v1_EnergyMatrixRequest, _action_energy_v1_EnergyMatrixResponse, _action_energy_v1_EnergyMatrixRequest__Output, _action_energy_v1_EnergyMatrixResponse__Output>
  GetModel: MethodDefinition<_action_energy_v1_GetModelRequest, _action_energy_v1_Model, _action_energy_v1_GetModelRequest__Output, _action_energy_v1_Model__Output>
  ListModels: MethodDefinition<_action_energy_v1_ListModelsRequest, _action_energy_v1_ListModelsResponse, _action_energy_v1_ListModelsRequest__Output, _action_energy_v1_ListModelsResponse__Output>
  PutContext: MethodDefinition<_action_energy_v1_PutContextRequest, _action_energy_v1_PutContextResponse, _action_energy_v1_PutContextRequest__Output, _action_energy_v1_PutContextResponse__Output>
  ScoreActions: MethodDefinition<_action_energy_v1_ScoreActionsRequest, _action_energy_v1_ScoreActionsResponse, _action_energy_v1_ScoreActionsRequest__Output, _action_energy_v1_ScoreActionsResponse__Output>
  ScoreActionsStream: MethodDefinition<_action_energy_v1_ScoreActionsStreamRequest, _action_energy_v1_ScoreActionsStreamResponse, _action_energy_v1_ScoreActionsStreamRequest__Output, _action_energy_v1_ScoreActionsStreamResponse__Output>
}
