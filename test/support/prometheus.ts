/** A real Prometheus that scrapes a server every second and evaluates our rules. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.js';

export const RULES = fileURLToPath(new URL('../../../deploy/prometheus/rules.yml', import.meta.url));
export const RULES_TEST = fileURLToPath(
  new URL('../../../deploy/prometheus/rules_test.yml', import.meta.url),
);

/** Why tests with a Prometheus are skipped; false where they run. The project's own check installs it: there a missing one is a failure. */
export function skipWithoutPrometheus(what: string): string | false {
  if (process.env['CI'] === 'true' || hasPrometheus()) return false;
  return `${what} NOT TESTED HERE: apt-get install prometheus`;
}

function hasPrometheus(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** One line of a result: its labels and [time in seconds, value] pairs. */
export interface Line {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

export interface Prometheus {
  /** Errors: an expression that Prometheus refuses. */
  query(expr: string): Promise<Line[]>;
  queryRange(expr: string, fromSeconds: number, toSeconds: number, stepSeconds: number): Promise<Line[]>;
  /** Names of the alerts that are pending or fire. */
  alerts(): Promise<string[]>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly alerts?: readonly { readonly labels: Record<string, string> }[];
    readonly result?: readonly {
      readonly metric: Record<string, string>;
      readonly value?: readonly [number, string];
      readonly values?: readonly (readonly [number, string])[];
    }[];
  };
}

export async function startPrometheus(metricsPort: number): Promise<Prometheus> {
  const directory = await mkdtemp(path.join(tmpdir(), 'action-energy-prometheus-'));
  await copyFile(RULES, path.join(directory, 'rules.yml'));
  const config = path.join(directory, 'prometheus.yml');
  await writeFile(
    config,
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules.yml]
scrape_configs:
  - job_name: action-energy
    static_configs: [{ targets: ['127.0.0.1:${metricsPort}'] }]
`,
  );
  const port = await freePort();
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${directory}/data`];
  const child = spawn(
    'prometheus',
    [...flags, `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'],
    {
      stdio: 'ignore',
    },
  );
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const get = async (page: string, parameters: Record<string, string>): Promise<Answer> => {
    const response = await fetch(`${url}${page}?${new URLSearchParams(parameters).toString()}`);
    const answer = (await response.json()) as Answer;
    if (answer.status !== 'success') throw new Error(`${parameters['query']}: ${answer.error}`);
    return answer;
  };
  const lines = ({ data }: Answer): Line[] =>
    (data.result ?? []).map(({ metric, value, values }) => ({
      labels: metric,
      points: (values ?? (value ? [value] : [])).map(([at, text]) => [at, Number(text)] as const),
    }));
  const ready = async (): Promise<void> => {
    for (;;) {
      const ok = await fetch(`${url}/-/ready`).then(
        (response) => response.ok,
        () => false,
      );
      if (ok) return;
      if (child.exitCode !== null) throw new Error(`prometheus exited with ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(directory, { recursive: true });
  };
  try {
    await ready();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    query: async (query) => lines(await get('/api/v1/query', { query })),
    queryRange: async (query, from, to, step) =>
      lines(
        await get('/api/v1/query_range', { query, start: String(from), end: String(to), step: String(step) }),
      ),
    alerts: async () =>
      ((await get('/api/v1/alerts', {})).data.alerts ?? []).map(({ labels }) => labels['alertname']!),
    close,
  };
}

/** A panel's expression as Grafana would send it: all models and instances, the default control period. */
export function withoutVariables(expr: string, rateInterval: string): string {
  return expr
    .replaceAll('$__rate_interval', rateInterval)
    .replaceAll('$model', '.*')
    .replaceAll('$instance', '.*')
    .replaceAll('$period', '0.05');
}
