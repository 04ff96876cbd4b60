/** Results of `score` as text for a person, JSON for a program and tensors for a file. */
import { writeFile } from 'node:fs/promises';
import { Fault, invalid } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { writeSafetensors } from '../weights/safetensors.js';
import { formatTable } from './output.js';
import type { ContextScores, FileScores, MatrixScores } from '../offline/score-file.js';

/** Rows and columns of a matrix that fit a terminal; JSON and the output file hold all of it. */
const SHOWN_MATRIX = 12;
const DIGITS = 6;

/** What a table of calibrated scores begins with. */
export function calibratedLine(tau: number, version: string): string {
  return `calibrated: temperature ${tau.toPrecision(4)}, version ${version}\n`;
}

export interface ShowOptions {
  /** Candidates to show a context; all when absent. */
  readonly top?: number;
  readonly steps: boolean;
  /** What the table calls the scores. */
  readonly column: 'energy' | 'corrected';
}

export function formatScores({ contexts, matrix }: FileScores, options: ShowOptions): string {
  const parts = contexts.map((scores, index) => formatContext(scores, index, options));
  if (matrix) parts.push(formatMatrix(matrix));
  return `${parts.join('\n\n')}\n`;
}

function formatContext(scores: ContextScores, index: number, { top, steps, column }: ShowOptions): string {
  const { ranking, energies, probabilities, pValues, chunk, tokens, visible } = scores;
  const shown = ranking.subarray(0, top);
  const header = ['rank', 'candidate', column, 'probability', ...(pValues ? ['p-value'] : [])];
  if (steps) header.push(...Array.from({ length: chunk }, (_, t) => `step ${t}`));
  const rows = [...shown].map((candidate, place) => [
    String(place + 1),
    String(candidate),
    energies[candidate]!.toFixed(DIGITS),
    probabilities[candidate]!.toFixed(DIGITS),
    ...(pValues ? [pValues[candidate]!.toFixed(DIGITS)] : []),
    ...(steps ? [...stepsOf(scores, candidate)].map((value) => value.toFixed(DIGITS)) : []),
  ]);
  const rest = ranking.length - shown.length;
  const title = `context ${index}: ${visible} of ${tokens} tokens visible, ${ranking.length} candidates`;
  const table = formatTable(
    header,
    rows,
    header.map(() => 'right' as const),
  );
  return `${title}\n${table}${rest > 0 ? `\n... and ${rest} more` : ''}`;
}

function formatMatrix({ size, energies, ...infoNce }: MatrixScores): string {
  const shown = Math.min(size, SHOWN_MATRIX);
  const columns = Array.from({ length: shown }, (_, j) => j);
  const header = ['', ...columns.map((j) => `action ${j}`)];
  const rows = columns.map((i) => [
    `context ${i}`,
    ...columns.map((j) => energies[i * size + j]!.toFixed(4) + (i === j ? '*' : ' ')),
  ]);
  const figures: [string, string][] = [
    ['InfoNCE loss', `${infoNce.loss.toFixed(DIGITS)} (guessing: ${Math.log(size).toFixed(DIGITS)})`],
    ['Accuracy', `${infoNce.accuracy.toFixed(4)} (guessing: ${(1 / size).toFixed(4)})`],
    ['Positive_Energy', infoNce.positiveEnergy.toFixed(DIGITS)],
    ['Negative_Energy', infoNce.negativeEnergy.toFixed(DIGITS)],
  ];
  return [
    `matrix ${size} x ${size}${shown < size ? `, the first ${shown} of each shown` : ''} (* own action)`,
    formatTable(
      header,
      rows,
      header.map((_, i) => (i === 0 ? ('left' as const) : ('right' as const))),
    ),
    '',
    ...figures.map(([name, value]) => `${name.padEnd(16)} ${value}`),
  ].join('\n');
}

/** Plain objects, full precision; `ranking` and the per-candidate lists keep to `top`, in the order of the ranking. */
export function scoresJson({ contexts, matrix }: FileScores, { top, steps }: ShowOptions): object {
  return {
    contexts: contexts.map((scores, index) => ({
      index,
      tokens: scores.tokens,
      visible: scores.visible,
      candidates: [...scores.ranking.subarray(0, top)].map((candidate) => ({
        candidate,
        energy: scores.energies[candidate],
        probability: scores.probabilities[candidate],
        ...(scores.pValues ? { p_value: scores.pValues[candidate] } : {}),
        ...(steps ? { steps: [...stepsOf(scores, candidate)] } : {}),
      })),
    })),
    ...(matrix
      ? {
          matrix: {
            energies: Array.from({ length: matrix.size }, (_, i) => [
              ...matrix.energies.subarray(i * matrix.size, (i + 1) * matrix.size),
            ]),
            infonce_loss: matrix.loss,
            accuracy: matrix.accuracy,
            positive_energy: matrix.positiveEnergy,
            negative_energy: matrix.negativeEnergy,
          },
        }
      : {}),
  };
}

function stepsOf({ steps, chunk }: ContextScores, candidate: number): Float64Array {
  return steps.subarray(candidate * chunk, (candidate + 1) * chunk);
}

/**
 * Writes `energies`, `probabilities` [B, N] (calibrated also `p_values` [B, N]) and `steps` [B, N, H] float64, `ranking` [B, N] int32 and, where asked for,
 * `matrix` [B, B] float64. Errors: a path that cannot be written.
 */
export async function writeScores(path: string, { contexts, matrix }: FileScores): Promise<void> {
  const [count, candidates, chunk] = [contexts.length, contexts[0]!.energies.length, contexts[0]!.chunk];
  const float64 = (shape: number[], parts: readonly Float64Array[]): Tensor => ({
    dtype: 'float64',
    shape,
    bytes: Buffer.concat(parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength))),
  });
  const ranking = Buffer.concat(
    contexts.map((scores) => new Uint8Array(Int32Array.from(scores.ranking).buffer)),
  );
  const tensors = new Map<string, Tensor>([
    [
      'energies',
      float64(
        [count, candidates],
        contexts.map((scores) => scores.energies),
      ),
    ],
    [
      'probabilities',
      float64(
        [count, candidates],
        contexts.map((scores) => scores.probabilities),
      ),
    ],
    [
      'steps',
      float64(
        [count, candidates, chunk],
        contexts.map((scores) => scores.steps),
      ),
    ],
    ...(contexts[0]!.pValues === undefined
      ? []
      : [
          [
            'p_values',
            float64(
              [count, candidates],
              contexts.map((scores) => scores.pValues!),
            ),
          ] as const,
        ]),
    ['ranking', { dtype: 'int32', shape: [count, candidates], bytes: ranking }],
  ]);
  if (matrix) tensors.set('matrix', float64([matrix.size, matrix.size], [matrix.energies]));
  try {
    await writeFile(path, writeSafetensors(tensors));
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw invalid('--output', 'cannot be written', { found: (cause as Error).message, cause });
  }
}
