/**
 * Dimensions of graph values. A dim is a number, or a symbol whose size is known only when the graph runs; a product of
 * symbols and numbers is written `C*N*8`. Shapes are compared as multisets of factors, so `reshape` can be checked
 * without sizes.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

interface Factors {
  number: number;
  symbols: string[];
}

function factorsOf(dims: Shape): Factors {
  const factors: Factors = { number: 1, symbols: [] };
  for (const dim of dims) {
    for (const part of String(dim).split('*')) {
      if (/^\d+$/.test(part)) factors.number *= Number(part);
      else factors.symbols.push(part);
    }
  }
  factors.symbols.sort();
  return factors;
}

/** The product of dims as one dim: `product(['N', 'H'])` is `'H*N'`, `product([2, 3])` is `6`. */
export function product(dims: Shape): Dim {
  const { number, symbols } = factorsOf(dims);
  if (symbols.length === 0) return number;
  return number === 1 ? symbols.join('*') : [...symbols, number].join('*');
}

/** True when both shapes hold the same number of elements whatever the symbols stand for. */
export function sameCount(a: Shape, b: Shape): boolean {
  return product(a) === product(b);
}

export function sameDim(a: Dim, b: Dim): boolean {
  return product([a]) === product([b]);
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
