/** `action-energy client health`: is the server serving, and which models. The exit code tells a script. */
import { Command } from 'commander';
import type { EnergyClient, HealthStatus } from '../client/energy-client.js';
import type { Model__Output } from '../generated/action_energy/v1/Model.js';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { EXIT_CODES, formatTable, printJson } from './output.js';

interface Flags extends ClientFlags {
  json?: true;
}

const HELP = `
Exit codes: 0 serving; 4 not serving, or no answer; 3 no such model; 5 not allowed.
With --model the answer is about that model alone. Where the server wants tokens, the list of models needs one; the
health of the server and of a model does not.

Example:
  action-energy client health --address unix:/run/action-energy.sock`;

export function clientHealthCommand(): Command {
  const command = new Command('health').description('ask a server whether it serves, and for its models');
  addClientFlags(command).option('--json', 'print JSON').addHelpText('after', HELP);
  return command.action((flags: Flags) =>
    withClient(flags, async (client) => {
      process.exitCode = await reportHealth(client, flags);
    }),
  );
}

async function reportHealth(client: EnergyClient, flags: Flags): Promise<number> {
  const settings = callSettings(flags);
  const status = await client.health(flags.model === '' ? undefined : flags.model, settings);
  const models = flags.model === '' ? await client.listModels(settings) : [];
  if (flags.json) printJson({ status, models: models.map(modelJson) });
  else process.stdout.write(formatHealth(status, flags.model, models));
  return status === 'SERVING' ? EXIT_CODES.done : EXIT_CODES.temporary;
}

function modelJson({ version, isDefault, state, architecture, provider, threads }: Model__Output): object {
  return {
    name: version?.name,
    digest: version?.digest,
    default: isDefault,
    state,
    architecture,
    provider,
    threads,
  };
}

function formatHealth(status: HealthStatus, model: string, models: readonly Model__Output[]): string {
  const title = `${model === '' ? 'server' : model}: ${status}\n`;
  if (models.length === 0) return title;
  const rows = models.map(({ version, isDefault, state, architecture, provider, threads, stateDim }) => [
    `${version?.name ?? ''}${isDefault ? ' (default)' : ''}`,
    state,
    architecture,
    String(stateDim),
    `${provider} x ${threads}`,
    version?.digest.slice(0, 12) ?? '',
  ]);
  return `${title}${formatTable(['model', 'state', 'architecture', 'width', 'device', 'digest'], rows)}\n`;
}
