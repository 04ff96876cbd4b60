/** Start of a training session, from its message. What is absent keeps the default of `action-energy train`. */
import { invalid } from '../../errors.js';
import type { TrainingLoss__Output } from '../../generated/action_energy/v1/TrainingLoss.js';
import type { TrainingRecipe__Output } from '../../generated/action_energy/v1/TrainingRecipe.js';
import type { TrainingStart__Output } from '../../generated/action_energy/v1/TrainingStart.js';
import { cardContradictions, parseCard } from '../../model/card-checks.js';
import { refuse } from '../../model/problems.js';
import type { TrainingBeginning } from '../../serving/trainer.js';
import { NEGATIVE_FAMILIES, type NegativeFamily } from '../../training/negatives.js';
import { checkLosses, DEFAULT_RECIPE, TRAINED_LOSSES, type WeightedLossKind } from '../../training/recipe.js';

const RECIPE = 'start.recipe';
/** A card is a page of text. */
const MOST_CARD_CHARACTERS = 1024 ** 2;

/** Errors name `start` and the field in it. */
export function decodeStart({ from, model, cardJson, recipe }: TrainingStart__Output): TrainingBeginning {
  if (from === undefined) {
    throw invalid('start.from', 'what to begin with is not clear', {
      found: 'nothing',
      wanted: 'model (a served one) or card_json (a new one)',
    });
  }
  return {
    from: from === 'model' ? { model: model ?? '' } : { card: decodeCard(cardJson ?? '') },
    recipe: decodeRecipe(recipe),
  };
}

function decodeCard(text: string): ReturnType<typeof parseCard> {
  const field = 'start.card_json';
  if (text.length > MOST_CARD_CHARACTERS) {
    throw invalid(field, 'too long', {
      found: `${text.length} characters`,
      wanted: `at most ${MOST_CARD_CHARACTERS}`,
    });
  }
  const card = parseCard(text, field);
  refuse(field, cardContradictions(card, field));
  return card;
}

type Numbers = 'tau' | 'accumulate' | 'updates' | 'learningRate' | 'weightDecay' | 'clip' | 'dropout';

function decodeRecipe(message: TrainingRecipe__Output | null): TrainingBeginning['recipe'] {
  const d = DEFAULT_RECIPE;
  const read = (
    key: Numbers,
    field: string,
    good: (value: number) => boolean,
    wanted: string,
  ): number | undefined => {
    const given = message?.[key];
    if (given === undefined) return undefined;
    const value = Number(given);
    if (Number.isFinite(value) && good(value)) return value;
    throw invalid(`${RECIPE}.${field}`, 'out of range', { found: String(given), wanted });
  };
  const positive = (key: Numbers, field: string): number | undefined =>
    read(key, field, (value) => value > 0, 'a finite number above 0');
  const share = (key: Numbers, field: string): number | undefined =>
    read(key, field, (value) => value >= 0 && value < 1, '0 to below 1');
  const count = (key: Numbers, field: string): number | undefined =>
    read(key, field, (value) => value >= 1, 'at least 1');
  const tau = positive('tau', 'tau');
  const updates = count('updates', 'updates');
  const schedule = message?.schedule === 'COSINE' ? 'cosine' : 'constant';
  if (message && !['CONSTANT', 'COSINE'].includes(message.schedule)) {
    const wanted = 'CONSTANT or COSINE';
    throw invalid(`${RECIPE}.schedule`, 'unknown', { found: String(message.schedule), wanted });
  }
  if (schedule === 'cosine' && updates === undefined) {
    throw invalid(`${RECIPE}.updates`, 'missing: a cosine runs over them', {
      found: 'nothing',
      wanted: 'updates in all, at least 1',
    });
  }
  const negatives = decodeNegatives(message?.negatives ?? []);
  return {
    losses: decodeLosses(message?.losses ?? []),
    ...(tau !== undefined && { tau }),
    ...(negatives.length > 0 && { negatives }),
    accumulate: count('accumulate', 'accumulate') ?? d.accumulate,
    mostUpdates: updates ?? Infinity,
    learningRate: positive('learningRate', 'learning_rate') ?? d.learningRate,
    weightDecay: share('weightDecay', 'weight_decay') ?? d.weightDecay,
    schedule,
    rampUpdates: message?.rampUpdates ?? d.rampUpdates,
    energyWarmSteps: message?.energyWarmSteps ?? d.energyWarmSteps,
    clip: positive('clip', 'clip') ?? d.clip,
    dropout: share('dropout', 'dropout') ?? d.dropout,
    seed: message?.seed ?? d.seed,
  };
}

function decodeLosses(messages: readonly TrainingLoss__Output[]): readonly WeightedLossKind[] {
  const losses = messages.map(({ kind, weight }, i) => {
    const known = TRAINED_LOSSES.find((each) => each === kind);
    const field = `${RECIPE}.losses[${i}]`;
    if (known === undefined) {
      const found = JSON.stringify(kind.slice(0, 64));
      throw invalid(`${field}.kind`, 'not a loss', { found, wanted: `one of ${TRAINED_LOSSES.join(', ')}` });
    }
    const value = weight === undefined ? 1 : Number(weight);
    if (!(value > 0 && value < Infinity)) {
      throw invalid(`${field}.weight`, 'out of range', {
        found: String(weight),
        wanted: 'a finite number above 0',
      });
    }
    return { kind: known, weight: value };
  });
  checkLosses(losses, false, { field: `${RECIPE}.losses`, mend: 'Put swap beside it' });
  return losses.length > 0 ? losses : DEFAULT_RECIPE.losses;
}

function decodeNegatives(names: readonly string[]): NegativeFamily[] {
  return names.map((name, i) => {
    const known = NEGATIVE_FAMILIES.find((each) => each === name);
    if (known !== undefined) return known;
    throw invalid(`${RECIPE}.negatives[${i}]`, 'not a kind of negatives', {
      found: JSON.stringify(name.slice(0, 64)),
      wanted: `some of ${NEGATIVE_FAMILIES.join(', ')}`,
    });
  });
}
