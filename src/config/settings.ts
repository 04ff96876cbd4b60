/** The settings as a list, read out of the schema: what flags, environment, help and reference are made of. */
import { z } from 'zod';
import { configSchema } from './schema.js';

export type SettingKind = 'string' | 'integer' | 'number' | 'boolean' | 'record';

export interface Setting {
  /** `[section, key]` in the file. */
  readonly path: readonly [section: string, key: string];
  /** Title of the section. */
  readonly group: string;
  readonly kind: SettingKind;
  /** Flag name without dashes. */
  readonly flag: string;
  readonly env: string;
  readonly description: string;
  /** Absent: no default, the description says what happens. */
  readonly fallback?: unknown;
  readonly choices?: readonly string[];
  /** Absent where the schema leaves it open. */
  readonly minimum?: number;
  readonly maximum?: number;
}

const settingNode = z.looseObject({
  type: z.enum(['string', 'integer', 'number', 'boolean', 'object']),
  flag: z.string(),
  description: z.string(),
  default: z.unknown().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
});
const sectionNode = z.looseObject({
  description: z.string(),
  properties: z.record(z.string(), settingNode),
});

export function envName(flag: string): string {
  return `ACTION_ENERGY_${flag.toUpperCase().replaceAll('-', '_')}`;
}

function listSettings(): readonly Setting[] {
  const tree = z
    .looseObject({ properties: z.record(z.string(), sectionNode) })
    .parse(z.toJSONSchema(configSchema, { io: 'input' }));
  return Object.entries(tree.properties).flatMap(([section, { description: group, properties }]) =>
    Object.entries(properties).map(([key, node]): Setting => {
      const { flag, description, minimum, maximum } = node;
      return {
        path: [section, key],
        group,
        kind: node.type === 'object' ? 'record' : node.type,
        flag,
        env: envName(flag),
        description,
        ...('default' in node ? { fallback: node.default } : {}),
        ...(node.enum ? { choices: node.enum } : {}),
        ...(minimum === undefined ? {} : { minimum }),
        ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }),
      };
    }),
  );
}

/** In the order of the schema. */
export const SETTINGS: readonly Setting[] = listSettings();
