/** `action-energy import CHECKPOINT -o DIR`: from a PyTorch checkpoint or safetensors file to a model bundle. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Command, Option } from 'commander';
import { Fault, invalid } from '../errors.js';
import { modelTensors } from '../importing/model-tensors.js';
import { describeWeights } from '../model/architecture.js';
import { saveBundle } from '../model/bundle.js';
import { READOUT_KINDS } from '../model/readout.js';
import type { ModelCard } from '../model/card.js';
import { bundleFromCheckpoint, MissingDeclarations, type Declared } from '../model/declare.js';
import { parameterCount, type Weights } from '../model/weights.js';
import { readTensors } from '../weights/checkpoint.js';
import {
  actionsOf,
  parseInteger,
  parseNames,
  parseNumber,
  parseNumbers,
  parsePool,
  readoutOf,
  type DeclarationFlags,
} from './import-flags.js';
import { formatCount, printJson } from './output.js';

interface ImportFlags extends DeclarationFlags {
  output: string;
  name?: string;
  prefix?: string;
  key?: string;
  force?: true;
  json?: true;
}

const EXAMPLE = `
Example:
  action-energy import energy_model--80000_checkpoint.pt \\
    --heads 8 --activation relu --readout sigmoid --units normalized_q99 -o models/NAME

Heads, activation and readout leave no trace in a checkpoint; the training code says what they were.`;

export function importCommand(): Command {
  const command = new Command('import')
    .description('make a model bundle from a checkpoint (.pt from torch.save, or .safetensors)')
    .argument('<checkpoint>', 'state dict in float32, float16 or bfloat16')
    .requiredOption('-o, --output <directory>', 'bundle to write')
    .option('--heads <n>', 'attention heads (cross_attention)', parseInteger)
    .addOption(new Option('--activation <kind>', 'activation of the MLPs').choices(['relu', 'silu']))
    .addOption(new Option('--readout <kind>', 'from raw value to energy').choices(READOUT_KINDS))
    .option('--gain <x>', 'sigmoid readout: factor of the raw value (default 0.5)', parseNumber)
    .option('--scale <x>', 'sigmoid readout: factor of the sigmoid (default 2)', parseNumber)
    .option('--offset <x>', 'added by the readout (default 0.1, 1e-4 or 1e-6 by kind)', parseNumber)
    .option('--tau <x>', 'InfoNCE temperature (default 0.5; 1.0 for linear)', parseNumber)
    .option(
      '--pool <kind>',
      'mean | sum | first | weighted[:W0,W1,...] | discount:GAMMA (default mean)',
      parsePool,
    )
    .option('--chunk <n>', 'steps of every scored chunk (default: any)', parseInteger)
    .addOption(
      new Option('--units <units>', 'units of the actions in training (default unspecified)').choices([
        'normalized_q99',
        'raw',
        'unspecified',
      ]),
    )
    .option('--bounds-low <values>', 'lowest action values, one or one a dim, by comma', parseNumbers)
    .option('--bounds-high <values>', 'highest action values, one or one a dim, by comma', parseNumbers)
    .option('--gripper-index <n>', 'action dim of the gripper, from 0', parseInteger)
    .addOption(
      new Option('--gripper-coding <coding>', 'how the gripper is coded').choices([
        'zero_one',
        'minus_one_one',
        'continuous',
      ]),
    )
    .option('--dim-names <names>', 'names of the action dims, by comma', parseNames)
    .option('--name <name>', 'name of the model (default: name of the output directory)')
    .option(
      '--key <key>',
      'dict of a .pt file that is the state dict, when it is not found (a.b: two levels)',
    )
    .option('--prefix <prefix>', 'take only the keys below this prefix, and strip it')
    .option('--force', 'replace an existing bundle with everything in it')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLE);
  return command.action((checkpoint: string, flags: ImportFlags) => runImport(checkpoint, flags));
}

async function runImport(checkpoint: string, flags: ImportFlags): Promise<void> {
  const leftOut: string[] = [];
  const onLeftOut = (what: string): void => void leftOut.push(what);
  const { key, prefix } = flags;
  const saved = await readTensors(checkpoint, { ...(key !== undefined && { key }), onLeftOut });
  const tensors = modelTensors(checkpoint, saved, { ...(prefix !== undefined && { prefix }), onLeftOut });
  const declared = await declaredBy(flags, checkpoint, tensors);
  let bundle: { readonly card: ModelCard; readonly weights: Weights };
  try {
    bundle = bundleFromCheckpoint(tensors, declared, checkpoint);
  } catch (error) {
    throw error instanceof MissingDeclarations ? withCommand(error, checkpoint) : error;
  }
  const { card, weights } = bundle;
  const { digest } = await saveBundle(flags.output, card, weights, { force: flags.force === true });
  const advice = adviceFor(card);
  const parameters = parameterCount(weights);
  if (flags.json) {
    printJson({ directory: flags.output, card, parameters, digest, left_out: leftOut, advice });
    return;
  }
  process.stdout.write(
    [
      JSON.stringify(card, null, 2),
      '',
      `wrote ${flags.output}: ${card.architecture}, ${formatCount(parameters)} parameters, sha256 ${digest}`,
      ...leftOut.map((what) => `left out: ${what}`),
      ...advice.map((line) => `note: ${line}`),
      '',
    ].join('\n'),
  );
}

async function declaredBy(flags: ImportFlags, checkpoint: string, tensors: Weights): Promise<Declared> {
  const { heads, activation, tau, pool, chunk } = flags;
  const readout = readoutOf(flags);
  const { dims } = describeWeights(checkpoint, tensors);
  const sha256 = await fileDigest(checkpoint);
  return {
    name: flags.name ?? path.basename(path.resolve(flags.output)),
    ...(heads === undefined ? {} : { heads }),
    ...(activation === undefined ? {} : { activation }),
    ...(readout === undefined ? {} : { readout }),
    ...(tau === undefined ? {} : { tau }),
    ...(pool === undefined ? {} : { pool }),
    ...(chunk === undefined ? {} : { chunk }),
    actions: actionsOf(flags, dims.action_dim ?? 0),
    provenance: { source: path.basename(checkpoint), sha256, imported: new Date().toISOString() },
  };
}

async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The same fault with a command line to paste: what was typed, and the usual value of each missing flag. */
function withCommand(error: MissingDeclarations, checkpoint: string): Fault {
  const usual = error.missing.map(({ name, usual: value }) => `--${name} ${value}`);
  const given = process.argv.slice(process.argv.indexOf('import') + 1).filter((word) => word !== checkpoint);
  const line = ['action-energy import', quote(checkpoint), ...usual, ...given.map(quote)].join(' ');
  const { field, found, wanted } = error;
  return invalid(field ?? checkpoint, error.summary, {
    ...(found === undefined ? {} : { found }),
    ...(wanted === undefined ? {} : { wanted }),
    mend: `With the usual values, if the training code agrees:\n${line}`,
    cause: error,
  });
}

/** A word as a POSIX shell reads it back. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function adviceFor(card: ModelCard): string[] {
  const advice: string[] = [];
  if (card.actions.units === 'unspecified') {
    advice.push(
      'action units are unspecified: declare them (--units normalized_q99 or raw), so that actions in other units are refused instead of scored with confident nonsense',
    );
  }
  return advice;
}
