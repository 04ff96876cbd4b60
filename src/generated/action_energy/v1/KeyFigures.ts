// Original file: proto/action_energy/v1/calibration.proto

import type { Score as _action_energy_v1_Score, Score__Output as _action_energy_v1_Score__Output } from '../../action_energy/v1/Score.js';
import type { Figure as _action_energy_v1_Figure, Figure__Output as _action_energy_v1_Figure__Output } from '../../action_energy/v1/Figure.js';
import type { Judgement as _action_energy_v1_Judgement, Judgement__Output as _action_energy_v1_Judgement__Output } from '../../action_energy/v1/Judgement.js';

export interface KeyFigures {
  'reportedRows'?: (number);
  'fittedRows'?: (number);
  'better'?: (_action_energy_v1_Score);
  'readoutTau'?: (number | string);
  'logitTau'?: (number | string);
  'infonceBefore'?: (_action_energy_v1_Figure | null);
  'infonceAfter'?: (_action_energy_v1_Figure | null);
  'infonceChance'?: (number | string);
  'top1'?: (_action_energy_v1_Figure | null);
  'eceBefore'?: (_action_energy_v1_Figure | null);
  'eceAfter'?: (_action_energy_v1_Figure | null);
  'positiveEnergy'?: (_action_energy_v1_Figure | null);
  'negativeEnergy'?: (_action_energy_v1_Figure | null);
  'swapAuroc'?: (_action_energy_v1_Figure | null);
  'judgement'?: (_action_energy_v1_Judgement | null);
}

export interface KeyFigures__Output {
  'reportedRows': (number);
  'fittedRows': (number);
  'better': (_action_energy_v1_Score__Output);
  'readoutTau': (number);
  'logitTau': (number);
  'infonceBefore': (_action_energy_v1_Figure__Output | null);
  'infonceAfter': (_action_energy_v1_Figure__Output | null);
  'infonceChance': (number);
  'top1': (_action_energy_v1_Figure__Output | null);
  'eceBefore': (_action_energy_v1_Figure__Output | null);
  'eceAfter': (_action_energy_v1_Figure__Output | null);
  'positiveEnergy': (_action_energy_v1_Figure__Output | null);
  'negativeEnergy': (_action_energy_v1_Figure__Output | null);
  'swapAuroc': (_action_energy_v1_Figure__Output | null);
  'judgement': (_action_energy_v1_Judgement__Output | null);
}
