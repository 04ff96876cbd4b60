/** Which bundles there are to serve. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/schema.js';
import { Fault, invalid } from '../errors.js';
import { CARD_FILE } from '../model/card.js';

/** Served when the configuration names no model at all: those of the working folder, else those that the package brings. */
const DEFAULT_DIRECTORY = 'models';
const PACKAGE_DIRECTORY = fileURLToPath(new URL('../../../models', import.meta.url));

/** The bundle that comes with the project: it stays the default when others are imported beside it. */
const BUNDLED_MODEL = 'tiny-reach';

/** What an empty model name means: what the configuration says, else the bundled model, else the first by name. */
export function defaultModel(folders: ReadonlyMap<string, string>, configured: string | undefined): string {
  const [first = ''] = folders.keys();
  return configured ?? (folders.has(BUNDLED_MODEL) ? BUNDLED_MODEL : first);
}

/**
 * Folders by model name, sorted: the named ones, and every bundle inside the models folder by its folder's name.
 * Errors: `invalid` a models folder that cannot be read, or a name twice; `not_found` nothing to serve.
 */
export async function findModelFolders(models: Config['models']): Promise<ReadonlyMap<string, string>> {
  const found = new Map(Object.entries(models.named));
  const parent = modelsFolder(models);
  if (parent !== undefined) {
    const entries = await readdir(parent).catch((cause: unknown) => {
      throw invalid('models.directory', 'cannot be read', {
        found: path.resolve(parent),
        wanted: 'a folder of model bundles',
        mend: 'Name it with --models, or single bundles with --model NAME=FOLDER',
        cause,
      });
    });
    for (const entry of entries) {
      const folder = path.join(parent, entry);
      if (entry.startsWith('.') || !(await isBundle(folder))) continue; // half-written bundles start with a dot
      if (found.has(entry))
        throw invalid('models', 'a name twice', { found: `${entry}: ${found.get(entry)} and ${folder}` });
      found.set(entry, folder);
    }
  }
  if (found.size === 0) {
    throw new Fault('not_found', 'no model to serve', {
      field: 'models',
      found: `no folder with ${CARD_FILE} in ${path.resolve(parent ?? '.')}`,
      mend: 'Make one with: action-energy import CHECKPOINT -o models/NAME',
    });
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The folder of bundles; undefined where only named ones are served. */
export function modelsFolder({ directory, named }: Config['models']): string | undefined {
  return directory ?? (Object.keys(named).length === 0 ? defaultDirectory() : undefined);
}

function defaultDirectory(): string {
  return existsSync(DEFAULT_DIRECTORY) ? DEFAULT_DIRECTORY : PACKAGE_DIRECTORY;
}

async function isBundle(folder: string): Promise<boolean> {
  const card = await stat(path.join(folder, CARD_FILE)).catch(() => undefined);
  return card?.isFile() === true;
}
