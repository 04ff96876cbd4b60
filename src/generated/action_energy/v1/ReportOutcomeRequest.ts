// Original file: proto/action_energy/v1/selection.proto


export interface ReportOutcomeRequest {
  'requestId'?: (string);
  'executedIndex'?: (number);
  'success'?: (boolean);
  'cost'?: (number | string);
  'baselineCost'?: (number | string);
  'wholeEpisode'?: (boolean);
  '_executedIndex'?: "executedIndex";
  'outcome'?: "success"|"cost";
  '_baselineCost'?: "baselineCost";
}

export interface ReportOutcomeRequest__Output {
  'requestId': (string);
  'executedIndex'?: (number);
  'success'?: (boolean);
  'cost'?: (number);
  'baselineCost'?: (number);
  'wholeEpisode': (boolean);
  '_executedIndex'?: "executedIndex";
  'outcome'?: "success"|"cost";
  '_baselineCost'?: "baselineCost";
}
