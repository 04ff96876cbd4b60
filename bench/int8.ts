/**
 * `npm run bench:int8 [-- --rounds 15 --threads 2 --save]`: what `--precision int8` gains and costs. The encode graph
 * in float32 and with 8-bit products (src/graph/quantize.ts) in alternate rounds; then how well the rankings of 64
 * candidates agree, on Gaussian tokens and on tokens with the few massive dims that real hidden states have (Dettmers et
 * al. 2022, LLM.int8(), section 3).
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { energyGraphs, type EnergyGraphs } from '../src/energy/graphs.js';
import { InferenceSession, Tensor as OrtTensor } from '../src/engine/onnx-runtime.js';
import type { Graph } from '../src/graph/graph.js';
import { writeOnnx } from '../src/graph/onnx.js';
import { quantizeProducts } from '../src/graph/quantize.js';
import { energiesFromRaw, rank } from '../src/model/energy.js';
import type { CrossAttentionCard } from '../src/model/card.js';
import { benchModel, randomActions, randomFloats, REFERENCE_SIZE as size } from './random-model.js';
import { median, pause } from './statistics.js';
import { saveResult } from './results.js';
import { markdownTable, verdict } from './table.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    threads: { type: 'string', default: '2' },
    save: { type: 'boolean', default: false },
  },
});
const options = {
  intraOpNumThreads: Number(flags.threads),
  interOpNumThreads: 1,
  extra: { session: { x64quantprecision: '1' } }, // as src/engine/runtime.ts
};
const CANDIDATES = 64;
const CONTEXTS = 8;
const visible = size.tokens - size.masked;

type Encode = (tokens: Float32Array) => Promise<{ key: Float32Array; value: Float32Array; ms: number }>;

async function encoder(graph: Graph): Promise<Encode> {
  const session = await InferenceSession.create(writeOnnx(graph), options);
  return async (tokens) => {
    const startMs = performance.now();
    const out = await session.run({ tokens: new OrtTensor('float32', tokens, [visible, size.stateDim]) });
    const ms = performance.now() - startMs;
    return {
      key: out['key']!.data as Float32Array,
      value: out['value']!.data as Float32Array,
      ms,
    };
  };
}

/** Energies [N] of the candidates against K, V. */
async function scorer(model: EnergyGraphs, card: CrossAttentionCard, actions: Float32Array) {
  const create = (graph: Graph): Promise<InferenceSession> =>
    InferenceSession.create(writeOnnx(graph), options);
  const [layOut, query, attend, head] = await Promise.all([
    create(model.layOut()),
    create(model.query()),
    create(model.attend()),
    create(model.head()),
  ]);
  const tensor = (values: Float32Array, dims: number[]): OrtTensor => new OrtTensor('float32', values, dims);
  const { query: queries } = await query.run({
    actions: tensor(actions, [CANDIDATES, size.steps, size.actionDim]),
    positions: tensor(model.queryPositions(size.steps), [size.steps, size.hidden]),
  });
  return async (key: Float32Array, value: Float32Array): Promise<Float64Array> => {
    const rows = [visible, size.hidden];
    const slot = await layOut.run({ key: tensor(key, rows), value: tensor(value, rows) });
    const { attended } = await attend.run({
      query: queries!,
      key_heads: slot['key_heads']!,
      value_heads: slot['value_heads']!,
    });
    const { raw } = await head.run({ attended: attended! });
    const energy = { readout: card.readout, pool: card.pool, score: 'logit' } as const;
    return energiesFromRaw(raw!.data as Float32Array, size.steps, energy).energies;
  };
}

function tokens(seed: number, massive: boolean): Float32Array {
  const values = randomFloats(visible * size.stateDim, seed);
  if (!massive) return values;
  // A handful of dims carry values two orders of magnitude above the rest, the same dims in every token.
  for (let token = 0; token < visible; token++) {
    for (const dim of [131, 1415, 2533, 3971]) values[token * size.stateDim + dim]! *= 100;
  }
  return values;
}

/** Spearman correlation of two score lists without ties. */
function spearman(a: Float64Array, b: Float64Array): number {
  const places = (values: Float64Array): number[] => {
    const out = new Array<number>(values.length);
    for (const [place, index] of rank(values).entries()) out[index] = place;
    return out;
  };
  const [x, y] = [places(a), places(b)];
  const squares = x.reduce((sum, place, i) => sum + (place - y[i]!) ** 2, 0);
  return 1 - (6 * squares) / (x.length * (x.length ** 2 - 1));
}

const { card, weights } = benchModel(size);
if (card.architecture !== 'cross_attention') throw new Error('the reference model attends');
const model = energyGraphs(card, weights);
const graph = model.encode('float32');
const encodeExact = await encoder(graph);
const encodeQuantized = await encoder(quantizeProducts(graph));
const score = await scorer(model, card, randomActions(size, CANDIDATES, 3));

const ratios: number[] = [];
for (let round = 0; round < Number(flags.rounds) + 2; round++) {
  const x = tokens(round, false);
  const a = await encodeExact(x);
  await pause();
  const b = await encodeQuantized(x);
  await pause();
  if (round >= 2) ratios.push(a.ms / b.ms);
}
const rows = [
  [
    'encode, int8 against float32',
    `${median(ratios).toFixed(2)} x faster${verdict(median(ratios), 1.4, 'least')}`,
  ],
];
for (const massive of [false, true]) {
  const agreement: number[] = [];
  let top = 0;
  for (let seed = 1; seed <= CONTEXTS; seed++) {
    const x = tokens(seed, massive);
    const [a, b] = [await encodeExact(x), await encodeQuantized(x)];
    const [wanted, found] = [await score(a.key, a.value), await score(b.key, b.value)];
    agreement.push(spearman(wanted, found));
    if (rank(wanted)[0] === rank(found)[0]) top++;
  }
  const kind = massive ? 'tokens with four massive dims' : 'Gaussian tokens';
  rows.push([
    `Spearman of ${CANDIDATES} logit scores, ${kind}, median of ${CONTEXTS}`,
    median(agreement).toFixed(3),
  ]);
  rows.push([`same top-1, ${kind}`, `${top} of ${CONTEXTS}`]);
}
const table = markdownTable(['figure', 'measured'], rows);
process.stdout.write(`${table}\n`);
if (flags.save) await saveResult('int8', { command: 'npm run bench:int8', table });
