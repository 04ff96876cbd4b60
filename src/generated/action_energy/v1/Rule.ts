// Original file: proto/action_energy/v1/selection.proto

export const Rule = {
  RULE_UNSPECIFIED: 'RULE_UNSPECIFIED',
  AUTO: 'AUTO',
  ENERGY: 'ENERGY',
  ENERGY_MEAN: 'ENERGY_MEAN',
  CONSENSUS: 'CONSENSUS',
  CONSENSUS_MEAN: 'CONSENSUS_MEAN',
  CONSENSUS_OF_BEST: 'CONSENSUS_OF_BEST',
  REFINE: 'REFINE',
} as const;

export type Rule =
  | 'RULE_UNSPECIFIED'
  | 0
  | 'AUTO'
  | 1
  | 'ENERGY'
  | 2
  | 'ENERGY_MEAN'
  | 3
  | 'CONSENSUS'
  | 4
  | 'CONSENSUS_MEAN'
  | 5
  | 'CONSENSUS_OF_BEST'
  | 6
  | 'REFINE'
  | 7

export type Rule__Output = typeof Rule[keyof typeof Rule]
