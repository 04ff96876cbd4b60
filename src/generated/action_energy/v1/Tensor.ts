// Original file: proto/action_energy/v1/tensor.proto


// Original file: proto/action_energy/v1/tensor.proto

export const _action_energy_v1_Tensor_DType = {
  DTYPE_UNSPECIFIED: 'DTYPE_UNSPECIFIED',
  FLOAT32: 'FLOAT32',
  FLOAT16: 'FLOAT16',
  BFLOAT16: 'BFLOAT16',
  BOOL: 'BOOL',
} as const;

export type _action_energy_v1_Tensor_DType =
  | 'DTYPE_UNSPECIFIED'
  | 0
  | 'FLOAT32'
  | 1
  | 'FLOAT16'
  | 2
  | 'BFLOAT16'
  | 3
  | 'BOOL'
  | 4

export type _action_energy_v1_Tensor_DType__Output = typeof _action_energy_v1_Tensor_DType[keyof typeof _action_energy_v1_Tensor_DType]

export interface Tensor {
  'dtype'?: (_action_energy_v1_Tensor_DType);
  'shape'?: (number)[];
  'data'?: (Buffer | Uint8Array | string);
}

export interface Tensor__Output {
  'dtype': (_action_energy_v1_Tensor_DType__Output);
  'shape': (number)[];
  'data': (Buffer);
}
