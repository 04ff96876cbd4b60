// Original file: proto/action_energy/v1/energy.proto


export interface ListModelsRequest {
}

export interface ListModelsRequest__Output {
}
