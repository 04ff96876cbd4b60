/** The dashboards and their rows, in order; every metric names the row it stands in. */
export interface DashboardRows {
  readonly title: string;
  /** For whom, and what it answers. */
  readonly description: string;
  readonly rows: Readonly<Record<string, string>>;
}

export const DASHBOARDS = {
  service: {
    title: 'action-energy: service',
    description: 'Do the robots get answers in time, and what limits them',
    rows: {
      calls: 'Calls',
      latency: 'Latency',
      refusals: 'Refused and lost',
      connections: 'Connections',
      queue: 'Queue and batches',
      contexts: 'Contexts',
      capacity: 'Capacity and clients',
      process: 'Process',
      models: 'What is served',
      training: 'Training over gRPC',
    },
  },
  quality: {
    title: 'action-energy: energy quality',
    description: 'Can the energies be trusted: on the requests that robots send, now',
    rows: {
      verdict: 'Verdict and gate',
      energies: 'Positive and Negative Energy',
      infonce: 'InfoNCE on live requests',
      drift: 'Drift',
      calibration: 'Calibration',
    },
  },
} as const satisfies Readonly<Record<string, DashboardRows>>;
