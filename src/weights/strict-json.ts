/**
 * JSON from an untrusted file. `JSON.parse` keeps the last of two equal keys and nests without bound; a header in which
 * readers may disagree about a tensor is refused instead.
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
function checkKeysAndDepth(field: string, text: string, { maxDepth, maxKeys }: JsonBounds): void {
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
        const key = parse(field, text.slice(i, end)) as string;
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

function parse(field: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw invalid(field, 'not valid JSON', {
      found: error instanceof Error ? error.message.slice(0, 200) : String(error),
      cause: error,
    });
  }
}

/** Parses UTF-8 JSON. Errors name `field`: invalid UTF-8 or JSON, more than `bounds` allow, a key that occurs twice. */
export function parseStrictJson(field: string, bytes: Uint8Array, bounds: JsonBounds): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw invalid(field, 'not valid UTF-8', { cause: error });
  }
  checkKeysAndDepth(field, text, bounds);
  return parse(field, text);
}

/** The object, or undefined for anything else (array, null, scalar). */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
