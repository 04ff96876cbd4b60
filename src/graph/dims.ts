/**
 * Dimensions of graph values. A dim is a number, or a size that is known only when the graph runs: a sum of products of
 * symbols and numbers, written out (`C*N*8`, `M+N`, `M*8+N*8`), never with parentheses. Every dim that a function here
 * returns is in one canonical form (factors by name with the number last, terms by name with the number last), so equal sizes are equal
 * strings, and `reshape` can be checked without sizes.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** A polynomial: coefficient by monomial; a monomial is its symbols in order, joined by `*` ('' for the number). */
type Terms = Map<string, number>;

function termsOf(dim: Dim): Terms {
  const terms: Terms = new Map();
  if (typeof dim === 'number') return dim === 0 ? terms : terms.set('', dim);
  for (const text of dim.split('+')) {
    const factors = text.split('*');
    const numbers = factors.filter((factor) => /^\d+$/.test(factor));
    const symbols = factors.filter((factor) => !/^\d+$/.test(factor)).sort();
    addTerm(
      terms,
      symbols.join('*'),
      numbers.reduce((all, factor) => all * Number(factor), 1),
    );
  }
  return terms;
}

function addTerm(terms: Terms, monomial: string, coefficient: number): void {
  const total = (terms.get(monomial) ?? 0) + coefficient;
  if (total === 0) terms.delete(monomial);
  else terms.set(monomial, total);
}

function timesMonomial(terms: Terms, monomial: string, coefficient: number): Terms {
  const out: Terms = new Map();
  for (const [own, factor] of terms) {
    const symbols = [...symbolsOf(own), ...symbolsOf(monomial)].sort();
    addTerm(out, symbols.join('*'), factor * coefficient);
  }
  return out;
}

function symbolsOf(monomial: string): string[] {
  return monomial === '' ? [] : monomial.split('*');
}

/** Greater degree first, then by name: the number comes last. A monomial order, as exact division needs. */
function leading(terms: Terms): [monomial: string, coefficient: number] | undefined {
  return inOrder(terms)[0];
}

function inOrder(terms: Terms): [monomial: string, coefficient: number][] {
  const degree = (monomial: string): number => symbolsOf(monomial).length;
  return [...terms].sort(([a], [b]) => degree(b) - degree(a) || (a < b ? -1 : 1));
}

function dimOf(terms: Terms): Dim {
  const parts = inOrder(terms).map(([monomial, coefficient]) => {
    if (monomial === '') return String(coefficient);
    return coefficient === 1 ? monomial : `${monomial}*${coefficient}`;
  });
  if (parts.length === 0) return 0;
  return terms.size === 1 && terms.has('') ? terms.get('')! : parts.join('+');
}

/** The product of dims as one dim: `product(['N', 'H'])` is `'H*N'`, `product([2, 3])` is `6`. */
export function product(dims: Shape): Dim {
  let all: Terms = new Map([['', 1]]);
  for (const dim of dims) {
    const next: Terms = new Map();
    for (const [monomial, coefficient] of termsOf(dim)) {
      for (const [own, factor] of timesMonomial(all, monomial, coefficient)) addTerm(next, own, factor);
    }
    all = next;
  }
  return dimOf(all);
}

/** The sum of dims as one dim: `total(['N', 'M'])` is `'M+N'`, `total(['N', 2, 3])` is `'N+5'`. */
export function total(dims: Shape): Dim {
  const all: Terms = new Map();
  for (const dim of dims)
    for (const [monomial, coefficient] of termsOf(dim)) addTerm(all, monomial, coefficient);
  return dimOf(all);
}

/** By how much `whole` is longer than `part`, where that is one number whatever the symbols stand for. */
export function difference(whole: Dim, part: Dim): number | undefined {
  const rest = termsOf(whole);
  for (const [monomial, coefficient] of termsOf(part)) addTerm(rest, monomial, -coefficient);
  const number = dimOf(rest);
  return typeof number === 'number' ? number : undefined;
}

/** What `product(whole)` divided by `product(part)` leaves; throws when it is no factor. */
export function quotient(whole: Shape, part: Shape): Dim {
  const divisor = termsOf(product(part));
  const lead = leading(divisor);
  const refuse = (): never => {
    throw new Error(`${product(part)} does not divide ${product(whole)}`);
  };
  if (!lead) return refuse();
  const rest = termsOf(product(whole));
  const out: Terms = new Map();
  for (let next = leading(rest); next; next = leading(rest)) {
    const symbols = symbolsOf(next[0]);
    for (const symbol of symbolsOf(lead[0])) {
      const at = symbols.indexOf(symbol);
      if (at < 0) refuse();
      symbols.splice(at, 1);
    }
    const coefficient = next[1] / lead[1];
    if (!Number.isInteger(coefficient)) refuse();
    addTerm(out, symbols.join('*'), coefficient);
    for (const [monomial, factor] of timesMonomial(divisor, symbols.join('*'), coefficient)) {
      addTerm(rest, monomial, -factor);
    }
  }
  return dimOf(out);
}

/** True when both shapes hold the same number of elements whatever the symbols stand for. */
export function sameCount(a: Shape, b: Shape): boolean {
  return product(a) === product(b);
}

export function sameDim(a: Dim, b: Dim): boolean {
  return product([a]) === product([b]);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => sameDim(dim, b[axis]!));
}

/**
 * NumPy broadcasting. A symbol meets itself or 1; a symbol that may be 1 at run time is not guessed at.
 * Undefined when the shapes do not broadcast.
 */
export function broadcast(a: Shape, b: Shape): Dim[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[a.length - rank + axis] ?? 1;
    const right = b[b.length - rank + axis] ?? 1;
    if (sameDim(left, right) || right === 1) out.push(left);
    else if (left === 1) out.push(right);
    else return undefined;
  }
  return out;
}

/** Parameters are at most matrices of known sizes; what has more axes or a size that only the run knows comes of a batch. */
export function holdsRowsOfBatch(shape: Shape): boolean {
  return shape.length > 2 || shape.some((dim) => typeof dim === 'string');
}
