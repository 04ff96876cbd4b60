/**
 * The header of an .npy array, a Python literal such as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
 * Only these three keys, each once; only the literals that they may hold.
 */
import { invalid, type Fault } from '../errors.js';

export interface NpyHeader {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** String without escapes, name, integer (Python 2 wrote `3L`), punctuation. */
const TOKEN = /\s*(?:'([^'\\\n]*)'|"([^"\\\n]*)"|(True|False)|(\d{1,16})L?|([{}():,]))/y;

interface Token {
  readonly kind: 'string' | 'bool' | 'int' | 'punctuation';
  readonly text: string;
}

class Tokens {
  readonly #field: string;
  readonly #text: string;
  readonly #pattern = new RegExp(TOKEN);
  #position = 0;

  constructor(field: string, text: string) {
    this.#field = field;
    this.#text = text;
  }

  fault(wanted: string): Fault {
    return invalid(`${this.#field}: header`, 'not the header of a plain array', {
      found: JSON.stringify(this.#text.slice(this.#position, this.#position + 40)),
      wanted,
    });
  }

  /** The token here, not taken; undefined when there is none. */
  #peek(): { token: Token; end: number } | undefined {
    this.#pattern.lastIndex = this.#position;
    const match = this.#pattern.exec(this.#text);
    if (!match) return undefined;
    const [, single, double, bool, int, punctuation] = match;
    const string = single ?? double;
    const end = this.#pattern.lastIndex;
    if (string !== undefined) return { token: { kind: 'string', text: string }, end };
    if (bool !== undefined) return { token: { kind: 'bool', text: bool }, end };
    if (int !== undefined) return { token: { kind: 'int', text: int }, end };
    return { token: { kind: 'punctuation', text: punctuation! }, end };
  }

  take(kind: Token['kind'], wanted: string): string {
    const next = this.#peek();
    if (next?.token.kind !== kind) throw this.fault(wanted);
    this.#position = next.end;
    return next.token.text;
  }

  expect(text: string): void {
    if (!this.accept(text)) throw this.fault(`'${text}'`);
  }

  accept(text: string): boolean {
    const next = this.#peek();
    if (next?.token.kind !== 'punctuation' || next.token.text !== text) return false;
    this.#position = next.end;
    return true;
  }

  finish(): void {
    if (this.#text.slice(this.#position).trim() !== '') throw this.fault('nothing more');
  }
}

/** `()`, `(3,)`, `(3, 4)`. */
function parseShape(tokens: Tokens): number[] {
  const shape: number[] = [];
  tokens.expect('(');
  while (!tokens.accept(')')) {
    shape.push(Number(tokens.take('int', 'a tuple of sizes')));
    if (!tokens.accept(',')) {
      // without a comma `(3)` would be a number in Python
      if (shape.length === 1) throw tokens.fault("','");
      tokens.expect(')');
      break;
    }
  }
  return shape;
}

/** Parses the literal. Errors name `field`: other keys, other literals, a key missing or twice. */
export function parseNpyHeader(field: string, text: string): NpyHeader {
  const tokens = new Tokens(field, text);
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: number[] | undefined;
  tokens.expect('{');
  while (!tokens.accept('}')) {
    const key = tokens.take('string', 'a key');
    tokens.expect(':');
    if (key === 'descr' && descr === undefined) {
      descr = tokens.take('string', 'a dtype string (structured arrays are not supported)');
    } else if (key === 'fortran_order' && fortranOrder === undefined) {
      fortranOrder = tokens.take('bool', 'True or False') === 'True';
    } else if (key === 'shape' && shape === undefined) {
      shape = parseShape(tokens);
    } else {
      throw tokens.fault('descr, fortran_order and shape, each once');
    }
    if (!tokens.accept(',')) {
      tokens.expect('}');
      break;
    }
  }
  tokens.finish();
  if (descr === undefined || fortranOrder === undefined || shape === undefined) {
    throw tokens.fault('descr, fortran_order and shape');
  }
  return { descr, fortranOrder, shape };
}
