/** The settings as options of a command, grouped as in the file. */
import { Option, type Command } from 'commander';
import type { ConfigSources } from './load.js';
import { SETTINGS, type Setting } from './settings.js';

const PLACEHOLDERS = { string: 'value', integer: 'n', number: 'x', record: 'name=folder' } as const;

function toOption(setting: Setting): Option {
  const flags =
    setting.kind === 'boolean' ? `--${setting.flag}` : `--${setting.flag} <${PLACEHOLDERS[setting.kind]}>`;
  const shown = setting.choices
    ? `${setting.description} (${setting.choices.join(', ')})`
    : setting.description;
  const plain = setting.fallback !== undefined && setting.kind !== 'record' && setting.kind !== 'boolean';
  const option = new Option(
    flags,
    plain ? `${shown} [${JSON.stringify(setting.fallback).replaceAll('"', '')}]` : shown,
  ).helpGroup(`${setting.group}:`);
  if (setting.kind === 'record') {
    option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
  }
  return option;
}

/** Adds `--config` and one option a setting. No defaults: an absent flag must not hide the environment or the file. */
export function addConfigOptions(command: Command): Command {
  command.addOption(
    new Option('--config <file>', 'YAML file of settings (docs/configuration.md)').helpGroup(
      'Settings file:',
    ),
  );
  for (const setting of SETTINGS) command.addOption(toOption(setting));
  return command;
}

/** What was given on the command line, for `loadConfig`. */
export function configFlags(command: Command): Pick<ConfigSources, 'flags' | 'file'> {
  const values = command.opts<Record<string, string | boolean | string[]>>();
  const flags: Record<string, string | boolean | string[]> = {};
  for (const setting of SETTINGS) {
    const value = values[new Option(`--${setting.flag}`).attributeName()];
    if (value !== undefined) flags[setting.flag] = value;
  }
  return typeof values['config'] === 'string' ? { flags, file: values['config'] } : { flags };
}
