/** What the order of chunks depends on, by group of context tokens. */
import { isAboveZero } from '../figure.js';
import type { TokenGroupReport } from '../report-schema.js';
import type { Table } from '../table.js';

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
