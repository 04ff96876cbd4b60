/** `action-energy client reload`: a running server reads a model's bundle again, and its calibration, without a restart. */
import { Command } from 'commander';
import { addClientFlags, callSettings, withClient, type ClientFlags } from './client-flags.js';
import { printJson } from './output.js';

interface Flags extends ClientFlags {
  json?: true;
}

const HELP = `
The bundle is read from the folder that the server names; a new one in its models folder is added. Requests go on meanwhile,
kept contexts of the old model are lost. Without --model every model is reloaded. Where the server wants tokens, this needs
one with the permission \`admin\`.

Example:
  action-energy client reload --model mine`;

export function clientReloadCommand(): Command {
  const command = new Command('reload').description('let a server read a model again');
  addClientFlags(command).option('--json', 'print JSON').addHelpText('after', HELP);
  return command.action((flags: Flags) =>
    withClient(flags, async (client) => {
      const { models } = await client.reload(flags.model, callSettings(flags));
      if (flags.json) {
        printJson({
          models: models.map(({ name, digest, calibrationVersion }) => ({
            name,
            digest,
            calibration_version: calibrationVersion,
          })),
        });
        return;
      }
      for (const { name, digest, calibrationVersion } of models) {
        const calibration =
          calibrationVersion === '' ? 'not calibrated' : `calibration ${calibrationVersion}`;
        process.stdout.write(`${name}: sha256 ${digest.slice(0, 12)}, ${calibration}\n`);
      }
    }),
  );
}
