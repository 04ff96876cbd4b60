/** Saved tables, from which `npm run bench:docs` writes docs/performance.md. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface SavedResult {
  /** What anyone runs to get this table. */
  readonly command: string;
  readonly machine: string;
  readonly date: string;
  /** Markdown. */
  readonly table: string;
}

const DIRECTORY = fileURLToPath(new URL('../../bench/results/', import.meta.url));

function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpu?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${memory} GiB, Node ${process.versions.node}`;
}

export async function saveResult(
  name: string,
  result: Pick<SavedResult, 'command' | 'table'>,
): Promise<void> {
  await mkdir(DIRECTORY, { recursive: true });
  const saved: SavedResult = { ...result, machine: machine(), date: new Date().toISOString().slice(0, 10) };
  await writeFile(`${DIRECTORY}${name}.json`, `${JSON.stringify(saved, null, 2)}\n`);
}

export async function readResult(name: string): Promise<SavedResult | undefined> {
  try {
    return JSON.parse(await readFile(`${DIRECTORY}${name}.json`, 'utf8')) as SavedResult;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
