/** `action-energy import CHECKPOINT -o DIR`: from a PyTorch checkpoint or safetensors file to a model bundle. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Command, Option } from 'commander';
import { Fault, invalid } from '../errors.js';
import { compareSettings } from '../importing/compare-settings.js';
import { modelTensors } from '../importing/model-tensors.js';
import { VERIFY_SNIPPET, verifyEnergies } from '../importing/verify.js';
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
  parseIntegers,
  parseNames,
  parseNumber,
  parseNumbers,
  parsePool,
  readoutOf,
  type DeclarationFlags,
} from './import-flags.js';
import { formatCount, interruptible, printJson } from './output.js';

interface ImportFlags extends DeclarationFlags {
  output: string;
  name?: string;
  prefix?: string;
  key?: string;
  verify?: string;
  data?: string[];
  force?: true;
  json?: true;
}

const EXAMPLE = `
Example:
  action-energy import energy_model--80000_checkpoint.pt \\
    --heads 8 --activation relu --readout sigmoid --units normalized_q99 -o models/NAME

Heads, activation and readout leave no trace in a checkpoint; the training code says what they were. --verify makes sure:
${VERIFY_SNIPPET}

A .pt file may hold the state dict under a key (found, or named by --key) and the model below a prefix (found, or named by
--prefix). Counters, random states, settings and stored positions beside the weights are left out, and named.`;

export function importCommand(): Command {
  const command = new Command('import')
    .description('make a model bundle from a checkpoint: .pt of torch.save, .safetensors or .npz')
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
      'mean | sum | first | weighted[:W0,W1,...] | discount:GAMMA | windowed_max:STEPS (default mean)',
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
    .option(
      '--derived-dims <dims>',
      'action dims that follow from others or never change, from 0, by comma',
      parseIntegers,
    )
    .option('--layer-norm-eps <x>', 'epsilon of the layer norms (default 1e-5; 1e-6 in JAX)', parseNumber)
    .addOption(
      new Option('--mask-polarity <polarity>', 'what True means in the masks that come with contexts')
        .choices(['true_is_ignored', 'true_is_visible'])
        .default('true_is_ignored'),
    )
    .option('--name <name>', 'name of the model (default: name of the output directory)')
    .option(
      '--key <key>',
      'dict of a .pt file that is the state dict, when it is not found (a.b: two levels)',
    )
    .option('--prefix <prefix>', 'take only the keys below this prefix, and strip it')
    .option('--verify <file>', 'refuse a model that does not reproduce these energies (see below)')
    .option(
      '--data <files...>',
      'calibration data: compare the loss of all settings, refuse one that another beats',
    )
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
  const tested = await interruptible(`nothing was written to ${flags.output}`, () =>
    testAgainst(card, weights, flags),
  );
  const { digest } = await saveBundle(flags.output, card, weights, { force: flags.force === true });
  const advice = adviceFor(card);
  const parameters = parameterCount(weights);
  if (flags.json) {
    printJson({
      directory: flags.output,
      card,
      parameters,
      digest,
      left_out: leftOut,
      ...tested.json,
      advice,
    });
    return;
  }
  process.stdout.write(
    [
      JSON.stringify(card, null, 2),
      '',
      `wrote ${flags.output}: ${card.architecture}, ${formatCount(parameters)} parameters, sha256 ${digest}`,
      ...tested.lines,
      ...leftOut.map((what) => `left out: ${what}`),
      ...advice.map((line) => `note: ${line}`),
      '',
    ].join('\n'),
  );
}

interface Tested {
  readonly json: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
}

/** What --verify and --data find. Errors: the card as declared does not fit them; the fault says what would. */
async function testAgainst(
  card: ModelCard,
  weights: Weights,
  { verify, data }: ImportFlags,
): Promise<Tested> {
  const onTry = (what: string): void => void process.stderr.write(`trying ${what}\n`);
  const lines: string[] = [];
  const json: Record<string, unknown> = {};
  if (verify !== undefined) {
    const { energies, largestDifference } = await verifyEnergies(card, weights, verify, onTry);
    json['verified'] = { energies, largest_difference: largestDifference };
    lines.push(
      `verified: ${energies} energies reproduced, differences up to ${largestDifference.toPrecision(2)}`,
    );
  }
  if (data !== undefined) {
    const { settings, rows, chance } = await compareSettings(card, weights, data, onTry);
    json['settings'] = { rows, chance, losses: settings.map(({ flags, loss }) => ({ flags, loss })) };
    lines.push(
      `InfoNCE loss of ${rows} rows (chance ${chance.toFixed(3)}), lowest first:`,
      ...settings
        .slice(0, 5)
        .map(({ flags, loss }) => `  ${loss.toFixed(3)}  ${flags.join(' ') || 'as declared'}`),
    );
  }
  return { json, lines };
}

async function declaredBy(flags: ImportFlags, checkpoint: string, tensors: Weights): Promise<Declared> {
  const { heads, activation, tau, pool, chunk, layerNormEps, maskPolarity } = flags;
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
    ...(layerNormEps === undefined ? {} : { layerNormEps }),
    ...(maskPolarity === undefined ? {} : { maskPolarity }),
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
