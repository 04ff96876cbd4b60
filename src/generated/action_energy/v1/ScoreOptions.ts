// Original file: proto/action_energy/v1/energy.proto

import type { Pool as _action_energy_v1_Pool, Pool__Output as _action_energy_v1_Pool__Output } from '../../action_energy/v1/Pool.js';
import type { Score as _action_energy_v1_Score, Score__Output as _action_energy_v1_Score__Output } from '../../action_energy/v1/Score.js';
import type { KeepContext as _action_energy_v1_KeepContext, KeepContext__Output as _action_energy_v1_KeepContext__Output } from '../../action_energy/v1/KeepContext.js';

export interface ScoreOptions {
  'pool'?: (_action_energy_v1_Pool | null);
  'tau'?: (number | string);
  'score'?: (_action_energy_v1_Score);
  'topK'?: (number);
  'keepContext'?: (_action_energy_v1_KeepContext | null);
  'baselineIndex'?: (number);
  'perStep'?: (boolean);
  'logits'?: (boolean);
  'raw'?: (boolean);
  'episodeStep'?: (number | string);
  'executedIndex'?: (number);
  'expertIndex'?: (number);
  'actionGradients'?: (boolean);
  '_tau'?: "tau";
  '_baselineIndex'?: "baselineIndex";
  '_episodeStep'?: "episodeStep";
  'known'?: "executedIndex"|"expertIndex";
}

export interface ScoreOptions__Output {
  'pool': (_action_energy_v1_Pool__Output | null);
  'tau'?: (number);
  'score': (_action_energy_v1_Score__Output);
  'topK': (number);
  'keepContext': (_action_energy_v1_KeepContext__Output | null);
  'baselineIndex'?: (number);
  'perStep': (boolean);
  'logits': (boolean);
  'raw': (boolean);
  'episodeStep'?: (number);
  'executedIndex'?: (number);
  'expertIndex'?: (number);
  'actionGradients': (boolean);
  '_tau'?: "tau";
  '_baselineIndex'?: "baselineIndex";
  '_episodeStep'?: "episodeStep";
  'known'?: "executedIndex"|"expertIndex";
}
