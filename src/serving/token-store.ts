/** Bearer tokens from a file: who may do what. Compared in constant time; read again when the file changes. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile, type StatsListener } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { Fault, invalid, toFault } from '../errors.js';

export const PERMISSIONS = ['score', 'calibrate', 'admin'] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Polling, because a mounted secret changes by a swap of links, which file events miss. */
const POLL_MS = 2_000;
/** 16 characters of base64 are 96 bits: beyond guessing. */
const MIN_TOKEN_LENGTH = 16;

const entrySchema = z.union(
  [
    z.strictObject({
      name: z.string().min(1),
      token: z.string().min(MIN_TOKEN_LENGTH),
      permissions: z.array(z.enum(PERMISSIONS)).min(1),
    }),
    z.strictObject({
      name: z.string().min(1),
      sha256: z.string().regex(/^[0-9a-f]{64}$/i),
      permissions: z.array(z.enum(PERMISSIONS)).min(1),
    }),
  ],
  `wanted name, permissions (${PERMISSIONS.join(', ')}) and either sha256 (64 hex digits) or token (at least ${MIN_TOKEN_LENGTH} characters)`,
);
const fileSchema = z.strictObject({ tokens: z.array(entrySchema).min(1) });

export interface TokenHolder {
  readonly name: string;
  readonly permissions: ReadonlySet<Permission>;
}

interface Entry extends TokenHolder {
  readonly digest: Buffer;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/** Errors: `invalid` naming the file and every wrong entry, never a token. */
function readTokens(file: string): readonly Entry[] {
  let document: unknown;
  try {
    document = parseYaml(readFileSync(file, 'utf8'), { prettyErrors: false });
  } catch (cause) {
    // YAML errors quote the text, which holds secrets.
    const code = (cause as NodeJS.ErrnoException).code;
    throw invalid(file, 'tokens cannot be read', {
      found: code ?? 'not YAML',
      wanted: 'a YAML list of tokens',
    });
  }
  const parsed = fileSchema.safeParse(document);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`,
    );
    throw invalid(file, problems.join('; '), { wanted: 'tokens: [{ name, sha256 or token, permissions }]' });
  }
  const entries = parsed.data.tokens.map((entry): Entry => {
    const digest = 'sha256' in entry ? Buffer.from(entry.sha256, 'hex') : sha256(entry.token);
    return { name: entry.name, permissions: new Set(entry.permissions), digest };
  });
  const twice = entries.find((entry, i) => entries.findIndex(({ name }) => name === entry.name) !== i);
  if (twice) throw invalid(file, 'a name twice', { found: twice.name, wanted: 'one entry a name' });
  return entries;
}

export class TokenStore {
  readonly #file: string;
  #entries: readonly Entry[];

  /** Errors: `invalid` when the file cannot be used. */
  constructor(file: string) {
    this.#file = file;
    this.#entries = readTokens(file);
  }

  /** Who holds `token`; undefined when nobody. Takes the same time for every token of the same length. */
  find(token: string): TokenHolder | undefined {
    const digest = sha256(token);
    let holder: Entry | undefined;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.digest, digest)) holder = entry;
    }
    return holder;
  }

  /** Reads the file again; the old tokens stay when it cannot be used. */
  reload(): void {
    this.#entries = readTokens(this.#file);
  }

  /** Reloads on every change of the file; returns its cleanup. */
  watch(onReload: (fault: Fault | undefined) => void): () => void {
    const listener: StatsListener = (now, before) => {
      if (now.mtimeMs === before.mtimeMs && now.ino === before.ino) return;
      try {
        this.reload();
        onReload(undefined);
      } catch (error) {
        onReload(toFault(error));
      }
    };
    watchFile(this.#file, { interval: POLL_MS, persistent: false }, listener);
    return () => unwatchFile(this.#file, listener);
  }
}
