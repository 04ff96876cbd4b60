/** Bearer tokens from a file: who may do what. Compared in constant time; read again when the file changes. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { statSync, unwatchFile, watchFile, type StatsListener } from 'node:fs';
import { z } from 'zod';
import { readYaml } from '../config/yaml-file.js';
import { Fault, invalid, toFault } from '../errors.js';

export const PERMISSIONS = ['score', 'calibrate', 'train', 'admin'] as const;
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
  const parsed = fileSchema.safeParse(readYaml(file, { secret: true }));
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
  for (const [i, { name, digest }] of entries.entries()) {
    const before = entries.slice(0, i);
    if (before.some((other) => other.name === name)) {
      throw invalid(file, 'a name twice', { found: name, wanted: 'one entry a name' });
    }
    const other = before.find((each) => each.digest.equals(digest));
    if (other !== undefined) {
      throw invalid(file, 'one token under two names', {
        found: `${other.name} and ${name}`,
        wanted: 'a token of its own for each name',
      });
    }
  }
  return entries;
}

/** Whoever reads the file has every token that stands in it in plain. */
const OTHERS_READ_OR_WRITE = 0o006;

export class TokenStore {
  readonly #file: string;
  readonly #listeners = new Set<() => void>();
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
    for (const listener of this.#listeners) listener();
  }

  /** After every reading of the file: whoever was let in may not be known any more. */
  onReload(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** What is wrong with the permissions of the file; undefined where nothing is, and on Windows, which has others. */
  exposure(): string | undefined {
    if (process.platform === 'win32') return undefined;
    const { mode } = statSync(this.#file);
    return (mode & OTHERS_READ_OR_WRITE) === 0
      ? undefined
      : `other users of this machine may read or write it (mode ${(mode & 0o777).toString(8)}): chmod 640`;
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
