/** `action-energy client select FILE`: which of a policy's candidates a server would have a robot execute, and why. */
import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import type { EnergyClient } from '../client/energy-client.js';
import type { CallSettings } from '../client/call.js';
import { contextMessage, tensorMessage } from '../client/messages.js';
import type { ChoiceScore } from '../calibration/choice/candidate-table.js';
import { CHOICE_SCORES } from '../calibration/choice/choice-schema.js';
import { openScoreData, type ScoreData } from '../data/score-data.js';
import { openTensorFile } from '../data/tensor-file.js';
import { invalid } from '../errors.js';
import type { Refinement } from '../generated/action_energy/v1/Refinement.js';
import type { Rule } from '../generated/action_energy/v1/Rule.js';
import type { SelectActionResponse__Output } from '../generated/action_energy/v1/SelectActionResponse.js';
import { parseCard } from '../model/card-checks.js';
import { CONSENSUS_RULES, ENERGY_RULES } from '../selection/rules.js';
import { floats32, BYTES_PER_ELEMENT, float32Tensor, type Tensor } from '../tensor/tensor.js';
import { writeSafetensors } from '../weights/safetensors.js';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { parseInteger, parseIntegers, parseNumber } from './import-flags.js';
import { formatTable, interruptible, printJson } from './output.js';
import { progressBar } from './score-flags.js';

interface Flags extends ClientFlags {
  rule: string;
  baseline: number;
  score?: ChoiceScore;
  ungated?: true;
  steps?: number;
  stepLength?: number;
  trustRadius?: number;
  dims?: readonly number[];
  output?: string;
  json?: true;
}

const HELP = `
The data file (.safetensors, .npz or .pt) holds
  hidden      [B, S, D] or [S, D]; ragged [T, D] with offsets [B + 1]; [B, D] for a global_context model
  pad_mask    optional, hidden's shape without D; True marks a token to ignore
  candidates  [B, N, H, A], or [N, H, A] for one context: a policy's samples; --baseline is its own choice

Rules
  auto               what the model's calibration found best on held-out episodes, else the baseline
  energy             the lowest energy                               \\
  energy_mean        the mean of the chunks, weighted by energy       \\ behind the calibrated gate, or --ungated
  consensus_of_best  the medoid of those with low energies            /
  refine             energy's choice moved down its gradient         /  (experimental: no gain is known)
  consensus          the medoid of the candidates; needs no model
  consensus_mean     the mean of the chunks; needs no model

Example:
  action-energy client select models/examples/tiny-reach.safetensors --rule consensus`;

export function clientSelectCommand(): Command {
  const command = new Command('select')
    .description('choose the chunk to execute in each context of a data file')
    .argument('<data>', 'data file');
  return addClientFlags(command)
    .addOption(
      new Option('--rule <rule>', 'how to choose')
        .choices(['auto', ...ENERGY_RULES, ...CONSENSUS_RULES, 'refine'])
        .default('auto'),
    )
    .option('--baseline <index>', "the policy's own candidate", parseInteger, 0)
    .addOption(
      new Option('--score <kind>', 'what energies are (default: what the calibration found better)').choices(
        CHOICE_SCORES,
      ),
    )
    .option('--ungated', 'apply an energy rule whatever calibration and gate say')
    .option('--steps <count>', 'of refine: steps at most (default: 3)', parseInteger)
    .option(
      '--step-length <units>',
      'of refine: root mean square of the longest trial of a step (default: 0.05)',
      parseNumber,
    )
    .option(
      '--trust-radius <units>',
      'of refine: no value ends further than this from its start (default: 0.2)',
      parseNumber,
    )
    .option('--dims <list>', 'of refine: indices of the dims that may move, as in 0,1,2', parseIntegers)
    .option('-o, --output <file>', 'also write action [B, H, A] and candidate [B] as .safetensors')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action((data: string, flags: Flags) => runSelect(data, flags));
}

async function runSelect(path: string, flags: Flags): Promise<void> {
  const file = await openTensorFile(path);
  try {
    await withClient(flags, async (client) => {
      const settings = callSettings(flags);
      const model = await client.getModel(flags.model, settings);
      const name = model.version?.name ?? '';
      const data = await openScoreData(file, parseCard(model.cardJson, `model ${name} of ${flags.address}`));
      if (data.candidates === undefined) {
        throw invalid(`${path}: candidates`, 'missing', { wanted: 'candidates [B, N, H, A] to choose from' });
      }
      const answers = await interruptible('nothing was written', () =>
        selectAll(client, name, data, flags, settings),
      );
      if (flags.output !== undefined) await writeAnswers(flags.output, answers);
      if (flags.json === true) printJson({ model: name, contexts: answers.map(answerJson) });
      else process.stdout.write(`${formatAnswers(answers)}\n`);
    });
  } finally {
    await file.close();
  }
}

/** One answer a context, in order. */
async function selectAll(
  client: EnergyClient,
  model: string,
  data: ScoreData,
  { rule, baseline, score, ungated, ...flags }: Flags,
  settings: CallSettings,
): Promise<SelectActionResponse__Output[]> {
  const answers: SelectActionResponse__Output[] = [];
  const refinement = refinementOf(flags);
  const bar = progressBar(data.contexts);
  try {
    for (let at = 0; at < data.contexts; at++) {
      const [context] = await data.readContexts(at, at + 1);
      const { dtype, tokens, bytes, visible } = context!;
      const { values, candidates, steps } = await data.readCandidates(at);
      const shape = [tokens, bytes.byteLength / (tokens * BYTES_PER_ELEMENT[dtype])];
      const request = {
        model,
        inline: contextMessage({ dtype, shape, bytes }, visible),
        candidates: tensorMessage(
          'candidates',
          float32Tensor([candidates, steps, values.length / (candidates * steps)], values),
        ),
        baselineIndex: baseline,
        rule: rule.toUpperCase() as Rule,
        ungated: ungated === true,
        ...(score && { score: SCORES[score] }),
        ...(refinement && { refinement }),
      };
      answers.push(await client.selectAction(request, settings));
      bar?.update(at + 1);
    }
  } finally {
    bar?.stop();
  }
  return answers;
}

/** What was said of how far to go; undefined: nothing. */
function refinementOf({
  steps,
  stepLength,
  trustRadius,
  dims,
}: Pick<Flags, 'steps' | 'stepLength' | 'trustRadius' | 'dims'>): Refinement | undefined {
  if ([steps, stepLength, trustRadius, dims].every((flag) => flag === undefined)) return undefined;
  return {
    ...(steps !== undefined && { steps }),
    ...(stepLength !== undefined && { stepLength }),
    ...(trustRadius !== undefined && { trustRadius }),
    ...(dims !== undefined && { dims: [...dims] }),
  };
}

const SCORES = { readout: 'READOUT', logit: 'LOGIT', corrected: 'CORRECTED' } as const;

/** What the index of a chunk says that is no candidate. */
const PLACES: Partial<Record<SelectActionResponse__Output['origin'], string>> = {
  AVERAGE: 'near ',
  REFINED: 'from ',
};

function formatAnswers(answers: readonly SelectActionResponse__Output[]): string {
  const rows = answers.map(({ origin, candidateIndex, consensus, reason }, context) => [
    String(context),
    origin.toLowerCase(),
    `${PLACES[origin] ?? ''}${candidateIndex}`,
    String(consensus?.index ?? ''),
    reason,
  ]);
  const header = ['context', 'origin', 'candidate', 'consensus', 'why'];
  const table = formatTable(header, rows, ['right', 'left', 'right', 'right']);
  const counts = new Map<string, number>();
  for (const { origin, fallback } of answers) {
    const result = (fallback === 'NONE' ? origin : fallback).toLowerCase();
    counts.set(result, (counts.get(result) ?? 0) + 1);
  }
  return `${table}\n\n${[...counts].map(([result, count]) => `${result} ${count}`).join(', ')}`;
}

function answerJson(answer: SelectActionResponse__Output, index: number): object {
  const { gate, consensus, refinement } = answer;
  return {
    index,
    origin: answer.origin.toLowerCase(),
    candidate: answer.candidateIndex,
    rule: answer.rule.toLowerCase(),
    fallback: answer.fallback.toLowerCase(),
    reason: answer.reason,
    action: rowsOf(answer),
    energies: answer.energies,
    weights: answer.weights,
    consensus: consensus?.index,
    modes: consensus?.modes,
    ...(gate && {
      gate: { accepted: gate.accepted, margin_wanted: gate.marginWanted, margin_found: gate.marginFound },
    }),
    ...(refinement && {
      refinement: {
        start_energy: refinement.startEnergy,
        energy: refinement.energy,
        steps_taken: refinement.stepsTaken,
        displacement: refinement.displacement,
        end: refinement.end.toLowerCase(),
      },
    }),
    calibration_version: answer.model?.calibrationVersion,
    request_id: answer.requestId,
  };
}

/** `action` as H rows of A. */
function rowsOf({ action }: SelectActionResponse__Output): number[][] {
  const [steps = 0, dims = 0] = action!.shape;
  const values = floats32(action!.data);
  return Array.from({ length: steps }, (_, step) => [...values.subarray(step * dims, (step + 1) * dims)]);
}

async function writeAnswers(path: string, answers: readonly SelectActionResponse__Output[]): Promise<void> {
  const chunks = answers.map(({ action }) => floats32(action!.data));
  const values = new Float32Array(chunks.reduce((sum, { length }) => sum + length, 0));
  for (const [i, chunk] of chunks.entries()) values.set(chunk, i * chunk.length);
  const candidates = Int32Array.from(answers, ({ candidateIndex }) => candidateIndex);
  const tensors = new Map<string, Tensor>([
    ['action', float32Tensor([answers.length, ...answers[0]!.action!.shape], values)],
    ['candidate', { dtype: 'int32', shape: [answers.length], bytes: new Uint8Array(candidates.buffer) }],
  ]);
  try {
    await writeFile(path, writeSafetensors(tensors));
  } catch (cause) {
    throw invalid('--output', 'cannot be written', { found: (cause as Error).message, cause });
  }
}
