/**
 * JSON from an untrusted file. `JSON.parse` keeps the last of two equal keys and nests without bound; a header in which
 * readers may disagree about a tensor is refused instead. Nor may names from a file become keys of an object: there
 * `__proto__` is special, and the parser of V8 13 (Node 24 and 26) reads the key `"\""` as `\` after it has met an object
 * with the key `\` in that place. So objects of names are Maps, each key parsed by itself.
 */
import { invalid } from '../errors.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Index after the string that starts at `start`, or the end of the text when it is not closed. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return text.length;
}

export interface JsonBounds {
  readonly maxDepth: number;
  /** Keys of all objects together: objects of very many keys are slow and large in memory. */
  readonly maxKeys: number;
}

/** Refuses what is beyond `bounds` and equal keys in one object; leaves the rest of the grammar to `JSON.parse`. */
export function checkKeysAndDepth(field: string, text: string, { maxDepth, maxKeys }: JsonBounds): void {
  const keysByDepth: Set<string>[] = [];
  let keyCount = 0;
  let i = 0;
  while (i < text.length) {
    const char = text[i];
    if (char === '{' || char === '[') {
      if (keysByDepth.length === maxDepth) {
        throw invalid(field, 'JSON nested too deeply', { wanted: `at most ${maxDepth} levels` });
      }
      keysByDepth.push(new Set());
    } else if (char === '}' || char === ']') {
      keysByDepth.pop();
    } else if (char === '"') {
      const end = endOfString(text, i);
      let next = end;
      while (isSpace(text.charCodeAt(next))) next++;
      if (text.charCodeAt(next) === COLON) {
        if (++keyCount > maxKeys) {
          throw invalid(field, 'too many JSON keys', { wanted: `at most ${maxKeys}` });
        }
        const key = parseJson(field, text.slice(i, end)) as string;
        const keys = keysByDepth.at(-1);
        if (keys?.has(key))
          throw invalid(field, 'a key occurs twice', { found: JSON.stringify(key.slice(0, 60)) });
        keys?.add(key);
      }
      i = end;
      continue;
    }
    i++;
  }
}

/** Errors name `field`: not valid JSON. */
export function parseJson(field: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw invalid(field, 'not valid JSON', {
      found: error instanceof Error ? error.message.slice(0, 200) : String(error),
      cause: error,
    });
  }
}

/**
 * The members of an object in UTF-8 JSON, in order: each name with the JSON text of its value. Errors name `field`:
 * invalid UTF-8 or JSON, more than `bounds` allow, a key that occurs twice, no object.
 */
export function strictMembers(field: string, bytes: Uint8Array, bounds: JsonBounds): Map<string, string> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw invalid(field, 'not valid UTF-8', { cause: error });
  }
  checkKeysAndDepth(field, text, bounds);
  if (!isObject(parseJson(field, text))) throw invalid(field, 'not a JSON object');
  return members(field, text);
}

/** The members of an object in JSON text that is known to be valid and without equal keys. */
export function members(field: string, text: string): Map<string, string> {
  const found = new Map<string, string>();
  let depth = 0;
  let key: string | undefined;
  let valueStart = 0;
  const end = (at: number): void => {
    if (key !== undefined) found.set(key, text.slice(valueStart, at).trim());
    key = undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const after = endOfString(text, i);
      if (depth === 1 && key === undefined) {
        key = parseJson(field, text.slice(i, after)) as string;
        valueStart = text.indexOf(':', after) + 1;
      }
      i = after - 1;
    } else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') {
      if (depth === 1) end(i);
      depth--;
    } else if (char === ',' && depth === 1) end(i);
  }
  return found;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object, or undefined for anything else (array, null, scalar). */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return isObject(value) ? value : undefined;
}
