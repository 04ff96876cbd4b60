/** Reading `energy.json`, and what a card may contradict: itself, and the weights it stands beside. */
import { invalid } from '../errors.js';
import { CARD_FILE, cardSchema, type ModelCard } from './card.js';
import type { WeightsDescription } from './architecture.js';
import { checkKeysAndDepth } from '../weights/strict-json.js';
import { nearest, refuse, type Problem } from './problems.js';
import { hasLearnedPool } from './parameters.js';

const BOUNDS = { maxDepth: 16, maxKeys: 4096 };

/** Card from the text of `energy.json`. Errors: not JSON; a key twice, deep nesting, thousands of keys; every schema problem at once, by path. */
export function parseCard(text: string, file: string = CARD_FILE): ModelCard {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, 'not JSON', { found: (cause as Error).message, cause });
  }
  // of two equal keys JSON.parse takes the last in silence
  checkKeysAndDepth(file, text, BOUNDS);
  return checkCardSchema(json, file);
}

/** Card from a plain object, defaults filled in. Errors: every schema problem at once, by path. */
export function checkCardSchema(json: unknown, file: string = CARD_FILE): ModelCard {
  const parsed = cardSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems: Problem[] = [];
  for (const issue of parsed.error.issues) {
    const at = issue.path.map(String).join('.');
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const near = nearest(key, knownKeys());
        problems.push({
          field: `${file}: ${at === '' ? key : `${at}.${key}`}`,
          summary: 'unknown key',
          ...(near === undefined ? {} : { mend: `Did you mean "${near}"?` }),
        });
      }
      continue;
    }
    const value = valueAt(json, issue.path);
    problems.push({
      field: at === '' ? file : `${file}: ${at}`,
      summary: issue.message,
      found: value === undefined ? 'nothing' : shortJson(value),
    });
  }
  refuse(file, problems);
  throw invalid(file, 'not a model card');
}

/** What the card says that cannot all be true, without looking at the weights. */
export function cardContradictions(card: ModelCard, file: string = CARD_FILE): Problem[] {
  const problems: Problem[] = [];
  const report = (path: string, problem: Omit<Problem, 'field'>): void => {
    problems.push({ field: `${file}: ${path}`, ...problem });
  };
  if (card.architecture === 'cross_attention') {
    if (card.hidden % card.heads !== 0) {
      report('heads', {
        summary: 'does not divide hidden',
        found: `${card.heads} heads, hidden ${card.hidden}`,
        wanted: 'a divisor of hidden',
        mend: `The usual value is ${usualHeads(card.hidden)}`,
      });
    }
    if (card.hidden % 2 !== 0) {
      report('hidden', {
        summary: 'odd: sine and cosine of the step code interleave',
        found: String(card.hidden),
        wanted: 'an even width',
      });
    }
  }
  const { pool, chunk } = card;
  if (pool.kind === 'weighted' && pool.learned && (pool.weights === undefined || chunk === undefined)) {
    report('pool.learned', {
      summary: 'learned weights belong to chunks of one length',
      found: pool.weights === undefined ? 'no pool.weights' : 'no chunk',
      wanted: 'pool.weights and chunk',
    });
  }
  if (pool.kind === 'windowed_max' && chunk !== undefined && pool.window > chunk) {
    report('pool.window', {
      summary: 'more steps than a chunk has',
      found: `window ${pool.window}, chunk ${chunk}`,
      wanted: `1 to ${chunk}`,
    });
  }
  if (pool.kind === 'weighted' && pool.weights && chunk !== undefined && pool.weights.length !== chunk) {
    report('pool.weights', {
      summary: 'one weight a step',
      found: `${pool.weights.length} weights, chunk ${chunk}`,
      wanted: `${chunk} weights`,
    });
  }
  const { bounds, gripper, names, derived } = card.actions;
  const dims = card.action_dim;
  const perDim = (path: string, length: number): void => {
    if (length === dims) return;
    report(path, {
      summary: 'one entry an action dim',
      found: `${length} entries, action_dim ${dims}`,
      wanted: `${dims} entries`,
    });
  };
  if (bounds) {
    perDim('actions.bounds.low', bounds.low.length);
    perDim('actions.bounds.high', bounds.high.length);
    for (let i = 0; i < Math.min(bounds.low.length, bounds.high.length); i++) {
      if (bounds.low[i]! < bounds.high[i]!) continue;
      report(`actions.bounds.low.${i}`, {
        summary: 'not below the high bound',
        found: `low ${bounds.low[i]!}, high ${bounds.high[i]!}`,
        wanted: 'low < high',
      });
    }
  }
  if (gripper && gripper.index >= dims) {
    report('actions.gripper.index', {
      summary: 'no such action dim',
      found: String(gripper.index),
      wanted: `0 to ${dims - 1}`,
    });
  }
  for (const [i, dim] of (derived ?? []).entries()) {
    const summary =
      dim >= dims
        ? 'no such action dim'
        : derived!.indexOf(dim) !== i
          ? 'a dim stands twice'
          : dim === gripper?.index
            ? 'the gripper is no derived dim'
            : undefined;
    if (summary === undefined) continue;
    const wanted = `each of 0 to ${dims - 1} at most once, without the gripper`;
    report(`actions.derived.${i}`, { summary, found: String(dim), wanted });
  }
  if (derived && new Set(derived).size >= dims) {
    report('actions.derived', { summary: 'no dim is left', wanted: 'at least one that is not derived' });
  }
  if (names) {
    perDim('actions.names', names.length);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) report('actions.names', { summary: 'a name stands twice', found: twice });
  }
  return problems;
}

/** Where the card and what the weights' names and shapes tell differ. */
export function weightsContradictions(
  card: ModelCard,
  { structure, dims }: WeightsDescription,
  file: string = CARD_FILE,
): Problem[] {
  const said: [path: string, card: unknown, weights: unknown][] = [
    ['architecture', card.architecture, structure.architecture],
    ['state_dim', card.state_dim, dims.state_dim],
    ['action_dim', card.action_dim, dims.action_dim],
    ['hidden', card.hidden, dims.hidden],
    ['pool.learned', hasLearnedPool(card), structure.learnedPool],
  ];
  if (structure.learnedPool) said.push(['chunk', card.chunk, dims.chunk]);
  if (card.architecture === 'cross_attention' && structure.architecture === 'cross_attention') {
    said.push(['action_norm', card.action_norm, structure.action_norm]);
    said.push(['blocks.state', card.blocks.state, structure.blocks.state]);
    said.push(['blocks.action', card.blocks.action, structure.blocks.action]);
    said.push(['blocks.head', card.blocks.head, structure.blocks.head]);
  }
  if (card.architecture === 'global_context' && structure.architecture === 'global_context') {
    said.push(['layers', card.layers, structure.layers], ['chunk', card.chunk, dims.chunk]);
  }
  return said
    .filter(([, ofCard, ofWeights]) => ofWeights !== undefined && ofCard !== ofWeights)
    .map(([path, ofCard, ofWeights]) => ({
      field: `${file}: ${path}`,
      summary: 'contradicts names and shapes of the weights',
      found: String(ofCard),
      wanted: String(ofWeights),
    }));
}

/** Heads that checkpoints of this width usually have: 64 wide each (512: 8, 1024: 16), else the most of 8 that divide. */
export function usualHeads(hidden: number): number {
  if (hidden % 64 === 0 && hidden >= 256) return hidden / 64;
  return [8, 4, 2].find((heads) => hidden % heads === 0) ?? 1;
}

function knownKeys(): string[] {
  return cardSchema.options.flatMap((option) => Object.keys(option.shape));
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  let value = json;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function shortJson(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
