/** What the energy sees: kinds of wrong chunks, what the losses say of them, what stands off the diagonal, and which tokens matter. */
import { figure, isAboveZero, type Table } from '../figure.js';
import type { Report, TokenGroupReport } from '../report-schema.js';
import { RELATIONS } from './rows.js';

export function negativeTable({ negatives, effective_negatives: kept, left_out: leftOut }: Report): Table {
  return {
    name: 'wrong-chunks',
    title: 'Kinds of wrong chunks',
    note: `AUROC: chance that a wrong chunk has a higher energy than an expert's, all contexts pooled. Win rate: the same within a context. 0.5 is blind, below 0.5 prefers the wrong one. The swap kind uses all ${kept.toFixed(1)} negatives that a row kept on average${leftOut > 0 ? ` (${leftOut} near-duplicates left out)` : ''}.`,
    columns: ['kind', 'AUROC', 'win rate', 'mean energy', 'what was done'],
    rows: negatives.map(({ name, auroc, win_rate: wins, energy, meaning }) => [
      name,
      auroc,
      wins,
      energy,
      meaning,
    ]),
  };
}

export function omittedText({ omitted }: Report): string {
  return omitted.map(({ name, reason }) => `${name} (${reason})`).join('; ');
}

/** A row a kind of negatives: InfoNCE, and beside it the margin loss (swap) or the hinge (given ones). */
export function lossTable({ losses }: Report): Table {
  const kinds = [...new Set(losses.map(({ negatives }) => negatives))];
  const of = (kind: string, ...names: readonly string[]): Report['losses'][number] | undefined =>
    losses.find(({ negatives, loss }) => negatives === kind && names.includes(loss));
  return {
    name: 'losses',
    title: 'Losses',
    note: "Of docs/model.md with its usual parameters, over the readout's energies, near-duplicates left out; hinge as the mean over all given negatives of a row.",
    columns: [
      'negatives',
      'InfoNCE, tau of the card',
      'InfoNCE, fitted tau',
      'without preference',
      'margin (swap) or hinge',
    ],
    rows: kinds.map((kind) => {
      const infonce = of(kind, 'swap_infonce', 'explicit_infonce');
      const apart = of(kind, 'margin', 'hinge');
      return [
        kind,
        infonce?.value ?? null,
        infonce?.fitted ?? null,
        infonce?.chance ?? null,
        apart?.value ?? null,
      ];
    }),
  };
}

export function structureTable({ structure }: Report): Table {
  return {
    name: 'off-diagonal',
    title: 'Off the diagonal',
    note: "Chunks of other contexts by where they come from. Win rate: share of the pairs in which the expert's own chunk is lower. Rows lost: the lowest chunk is no higher than the expert's, and comes from there.",
    columns: ['chunk of', 'pairs', 'mean energy', 'win rate', 'mean |difference| of actions', 'rows lost'],
    rows: structure.relations.map(({ relation, pairs, energy, win_rate: wins, difference, lost }) => [
      RELATIONS[relation],
      pairs,
      energy,
      wins,
      difference,
      lost,
    ]),
  };
}

/** What the rows of `structureTable` say together. */
export function structureRemarks({ structure, left_out: leftOut, rows, batch }: Report): string[] {
  const { relations, win_rate_gap: gap, distance_correlation: correlation } = structure;
  const nearest = relations.some(({ relation }) => relation === 'same_episode') ? 'episode' : 'task';
  const apart =
    gap.value === null
      ? []
      : [
          isAboveZero(gap)
            ? `It wins more often against chunks from elsewhere than against those of the same ${nearest}, by ${figure(gap)}: part of what it knows is which ${nearest} this is, not which moment.`
            : `It wins against chunks of the same ${nearest} as often as against those from elsewhere, within the interval: difference ${figure(gap)}.`,
        ];
  return [
    ...apart,
    `Off the diagonal energy rises with the distance from the row's own chunk by a rank correlation of ${figure(correlation)}.`,
    leftOut === 0
      ? 'No chunk of another context was so near that it was left out.'
      : `${leftOut} of ${rows * (batch - 1)} chunks off the diagonal nearly equal the expert's and are no negatives; on the matrix they bear a dot.`,
  ];
}

export function tokenGroupTable({ groups, rows, order_of: of }: TokenGroupReport): Table {
  const chunks = of === 'candidates' ? "the policy's samples" : "other contexts' experts";
  return {
    name: 'token-groups',
    title: 'What the order depends on, by group of tokens',
    note: `On ${rows} rows the tokens of one group come from another episode. Order changed: share of the pairs of ${chunks} that change places; 0: it does not look there, 0.5: all hangs on it.`,
    columns: ['group', 'tokens', 'order changed', 'InfoNCE loss, increase'],
    rows: groups.map(({ group, tokens, order_changed: changed, loss_increase: increase }) => [
      String(group),
      tokens.toFixed(1),
      changed,
      increase,
    ]),
  };
}

/** One sentence: which groups matter beyond their interval, and whether one alone does. */
export function tokenGroupRemark({ groups }: TokenGroupReport): string {
  const matter = groups.filter(({ loss_increase: increase }) => isAboveZero(increase));
  const [only] = matter;
  if (only === undefined) return 'No group of tokens alone is shown to matter.';
  if (matter.length > 1) {
    return `Groups ${matter.map(({ group }) => group).join(', ')} matter: the loss rises beyond its interval without them.`;
  }
  const others = groups.filter((group) => group !== only).map(({ group }) => group);
  return `Only group ${only.group} is shown to matter: with the tokens of ${others.join(', ')} from other episodes the loss does not rise beyond its interval.`;
}
