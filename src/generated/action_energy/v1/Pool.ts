// Original file: proto/action_energy/v1/energy.proto


export interface _action_energy_v1_Pool_Discount {
  'gamma'?: (number | string);
}

export interface _action_energy_v1_Pool_Discount__Output {
  'gamma': (number);
}

export interface _action_energy_v1_Pool_First {
}

export interface _action_energy_v1_Pool_First__Output {
}

export interface _action_energy_v1_Pool_Mean {
}

export interface _action_energy_v1_Pool_Mean__Output {
}

export interface _action_energy_v1_Pool_Sum {
}

export interface _action_energy_v1_Pool_Sum__Output {
}

export interface _action_energy_v1_Pool_Weighted {
  'weights'?: (number | string)[];
}

export interface _action_energy_v1_Pool_Weighted__Output {
  'weights': (number)[];
}

export interface _action_energy_v1_Pool_WindowedMax {
  'window'?: (number);
}

export interface _action_energy_v1_Pool_WindowedMax__Output {
  'window': (number);
}

export interface Pool {
  'mean'?: (_action_energy_v1_Pool_Mean | null);
  'sum'?: (_action_energy_v1_Pool_Sum | null);
  'first'?: (_action_energy_v1_Pool_First | null);
  'weighted'?: (_action_energy_v1_Pool_Weighted | null);
  'discount'?: (_action_energy_v1_Pool_Discount | null);
  'windowedMax'?: (_action_energy_v1_Pool_WindowedMax | null);
  'kind'?: "mean"|"sum"|"first"|"weighted"|"discount"|"windowedMax";
}

export interface Pool__Output {
  'mean'?: (_action_energy_v1_Pool_Mean__Output | null);
  'sum'?: (_action_energy_v1_Pool_Sum__Output | null);
  'first'?: (_action_energy_v1_Pool_First__Output | null);
  'weighted'?: (_action_energy_v1_Pool_Weighted__Output | null);
  'discount'?: (_action_energy_v1_Pool_Discount__Output | null);
  'windowedMax'?: (_action_energy_v1_Pool_WindowedMax__Output | null);
  'kind'?: "mean"|"sum"|"first"|"weighted"|"discount"|"windowedMax";
}
