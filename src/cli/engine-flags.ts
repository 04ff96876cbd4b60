/** Flags of every command that computes: where, how exactly, on how many threads. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Engine, Precision, Provider } from '../engine/engine.js';
import { startEngine, type EngineModel } from '../engine/start.js';

export interface EngineFlags {
  readonly provider?: Provider | 'auto';
  readonly precision: Precision;
  readonly threads: number;
}

export function engineFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--provider <name>', 'where to compute (default: auto)').choices([
        'auto',
        'cpu',
        'cuda',
        'webgpu',
      ]),
    )
    .addOption(
      new Option('--precision <name>', 'arithmetic of the context encoder; int8 is faster and not exact')
        .choices(['float32', 'int8'])
        .default('float32'),
    )
    .option('--threads <count>', 'CPU threads, 0: one a core', whole(0), 0);
}

/** A started engine. What `--provider auto` tried and could not have goes to stderr; without the flag nobody asked for it. */
export async function startEngineFor(
  model: EngineModel,
  { provider, precision, threads }: EngineFlags,
): Promise<Engine> {
  const engine = await startEngine(model, { provider: provider ?? 'auto', precision, threads });
  if (provider === undefined) return engine;
  for (const { provider: tried, reason } of engine.info.refused) {
    process.stderr.write(`note: ${tried} refused, computing on ${engine.info.provider}: ${reason}\n`);
  }
  return engine;
}

/** An integer from `lowest` on. */
export function whole(lowest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= lowest) return value;
    throw new InvalidArgumentError(`an integer of at least ${lowest} is wanted.`);
  };
}
