// Original file: proto/action_energy/v1/energy.proto

export const Score = {
  SCORE_UNSPECIFIED: 'SCORE_UNSPECIFIED',
  READOUT: 'READOUT',
  LOGIT: 'LOGIT',
  CORRECTED: 'CORRECTED',
} as const;

export type Score =
  | 'SCORE_UNSPECIFIED'
  | 0
  | 'READOUT'
  | 1
  | 'LOGIT'
  | 2
  | 'CORRECTED'
  | 3

export type Score__Output = typeof Score[keyof typeof Score]
