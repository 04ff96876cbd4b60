/** `action-energy client`: what a person or a script asks of a running server. */
import { Command } from 'commander';
import { clientBenchCommand } from './client-bench.js';
import { clientCalibrateCommand, clientEvaluateCommand } from './client-calibrate.js';
import { clientHealthCommand } from './client-health.js';
import { clientReloadCommand } from './client-reload.js';
import { clientScoreCommand } from './client-score.js';
import { clientSelectCommand } from './client-select.js';

export function clientCommand(): Command {
  return new Command('client')
    .description('talk to a running server')
    .helpGroup('Service:')
    .addCommand(clientScoreCommand())
    .addCommand(clientSelectCommand())
    .addCommand(clientCalibrateCommand())
    .addCommand(clientEvaluateCommand())
    .addCommand(clientHealthCommand())
    .addCommand(clientReloadCommand())
    .addCommand(clientBenchCommand());
}
