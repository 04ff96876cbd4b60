/** Defaults, file, environment and flags into one frozen config; all problems in one error. */
import type { z } from 'zod';
import { Fault, toFault } from '../errors.js';
import { crossChecks } from './checks.js';
import { configSchema, type Config } from './schema.js';
import { SETTINGS, type Setting } from './settings.js';
import { readYaml } from './yaml-file.js';

/** Names the config file; the flag is `--config`. */
export const CONFIG_FILE_ENV = 'ACTION_ENERGY_CONFIG';

export interface ConfigSources {
  /** Flag values by flag name: text, `true` for a boolean, several texts for a record. */
  readonly flags?: Readonly<Record<string, string | boolean | readonly string[]>>;
  /** Other variables that begin alike are ignored: Kubernetes adds `ACTION_ENERGY_PORT` and more for a service of that name. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of a YAML file; overrides `ACTION_ENERGY_CONFIG`. */
  readonly file?: string;
}

type Tree = Record<string, unknown>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text of a flag or variable as the file would say it; text that does not fit is left for the schema to refuse. */
function fromText(setting: Setting, text: string): unknown {
  const trimmed = text.trim();
  switch (setting.kind) {
    case 'integer':
    case 'number':
      return trimmed !== '' && Number.isFinite(Number(trimmed)) ? Number(trimmed) : text;
    case 'boolean':
      return { true: true, '1': true, false: false, '0': false }[trimmed.toLowerCase()] ?? text;
    case 'record':
      return fromPairs(text.split(','));
    case 'string':
      return text;
  }
}

/** `name=value` texts as an object; one without `=` becomes a text, which the schema refuses. */
function fromPairs(pairs: readonly string[]): unknown {
  const bad = pairs.find((pair) => !/^[^=]+=./s.test(pair));
  if (bad !== undefined) return bad;
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
}

function readFile(file: string, problems: string[]): Tree {
  let parsed: unknown;
  try {
    parsed = readYaml(file);
  } catch (error) {
    problems.push(toFault(error).message);
    return {};
  }
  if (parsed === null) return {};
  if (isTree(parsed)) return parsed;
  problems.push(`${file}: found ${JSON.stringify(parsed)}; wanted sections with keys`);
  return {};
}

/**
 * Precedence: flag, environment, file, default. Errors: one `invalid` fault whose message lists every problem with
 * where the value came from.
 */
export function loadConfig({ flags = {}, env = {}, file = env[CONFIG_FILE_ENV] }: ConfigSources): Config {
  const problems: string[] = [];
  const tree = structuredClone(file === undefined ? {} : readFile(file, problems));
  const origins = new Map<string, string>();
  const put = (setting: Setting, value: unknown, origin: string): void => {
    const [section, key] = setting.path;
    tree[section] ??= {};
    const branch = tree[section];
    if (!isTree(branch)) return; // the schema names the section
    branch[key] = value;
    origins.set(setting.path.join('.'), origin);
  };
  for (const setting of SETTINGS) {
    const fromEnv = env[setting.env];
    if (fromEnv !== undefined && fromEnv !== '') put(setting, fromText(setting, fromEnv), setting.env);
    const flag = flags[setting.flag];
    if (flag === undefined) continue;
    const value =
      typeof flag === 'boolean' ? flag : typeof flag === 'string' ? fromText(setting, flag) : fromPairs(flag);
    put(setting, value, `--${setting.flag}`);
  }
  for (const [section, value] of Object.entries(tree)) if (value === null) delete tree[section]; // `section:` alone

  for (const { kind, path } of SETTINGS) {
    const [section, key] = path;
    const branch = tree[section];
    const record = kind === 'record' && isTree(branch) ? branch[key] : undefined;
    // the schema's record passes this one name over in silence
    if (isTree(record) && Object.hasOwn(record, '__proto__'))
      problems.push(`${section}.${key}.__proto__: not a name`);
  }

  const parsed = configSchema.safeParse(tree);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.flatMap((issue) => describe(issue, tree, origins, file)));
  }
  // what settings must hold together is checked among those that are good by themselves
  const sound = parsed.success ? parsed : configSchema.safeParse(without(tree, parsed.error.issues));
  if (sound.success) problems.push(...crossChecks(sound.data));
  if (problems.length > 0 || !parsed.success) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw new Fault(
      'invalid',
      `${count} in the configuration\n${problems.map((text) => `  - ${text}`).join('\n')}`,
    );
  }
  return freeze(parsed.data);
}

/** The tree without the settings and sections that the issues are about. */
function without(tree: Tree, issues: readonly z.core.$ZodIssue[]): Tree {
  const rest = structuredClone(tree);
  for (const issue of issues) {
    const [section, key] = issue.path.map(String);
    const branch = section === undefined ? rest : rest[section];
    if (issue.code === 'unrecognized_keys' && isTree(branch))
      for (const name of issue.keys) delete branch[name];
    else if (key !== undefined && isTree(branch)) delete branch[key];
    else if (section !== undefined) delete rest[section];
  }
  return rest;
}

function describe(
  issue: z.core.$ZodIssue,
  tree: Tree,
  origins: ReadonlyMap<string, string>,
  file: string | undefined,
): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${[...path, key].join('.')} (${file ?? 'file'}): no such key`);
  }
  const origin = origins.get(path.slice(0, 2).join('.')) ?? file ?? 'file';
  const found = path.reduce<unknown>((value, key) => (isTree(value) ? value[key] : undefined), tree);
  return [`${path.join('.')} (${origin}): found ${JSON.stringify(found)}; ${issue.message}`];
}

function freeze<T extends object>(value: T): T {
  for (const child of Object.values(value))
    if (typeof child === 'object' && child !== null) freeze(child as object);
  return Object.freeze(value);
}
