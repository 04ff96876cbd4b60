// Original file: proto/action_energy/v1/calibration.proto


// Original file: proto/action_energy/v1/calibration.proto

export const _action_energy_v1_Judgement_Verdict = {
  VERDICT_UNSPECIFIED: 'VERDICT_UNSPECIFIED',
  MAY_CHOOSE: 'MAY_CHOOSE',
  MAY_CHOOSE_BEHIND_GATE: 'MAY_CHOOSE_BEHIND_GATE',
  MUST_NOT_CHOOSE: 'MUST_NOT_CHOOSE',
} as const;

export type _action_energy_v1_Judgement_Verdict =
  | 'VERDICT_UNSPECIFIED'
  | 0
  | 'MAY_CHOOSE'
  | 1
  | 'MAY_CHOOSE_BEHIND_GATE'
  | 2
  | 'MUST_NOT_CHOOSE'
  | 3

export type _action_energy_v1_Judgement_Verdict__Output = typeof _action_energy_v1_Judgement_Verdict[keyof typeof _action_energy_v1_Judgement_Verdict]

export interface Judgement {
  'verdict'?: (_action_energy_v1_Judgement_Verdict);
  'reasons'?: (string)[];
}

export interface Judgement__Output {
  'verdict': (_action_energy_v1_Judgement_Verdict__Output);
  'reasons': (string)[];
}
