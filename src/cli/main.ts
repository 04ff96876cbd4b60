#!/usr/bin/env node
/** The command line: a flat list of subcommands, one file each, and one place where their faults become exit codes. */
import { Command, CommanderError } from 'commander';
import { Fault, invalid, toFault } from '../errors.js';
import { programVersion } from '../versions.js';
import { calibrateCommand } from './calibrate.js';
import { clientCommand } from './client.js';
import { doctorCommand } from './doctor.js';
import { evaluateCommand } from './evaluate.js';
import { exportCommand } from './export.js';
import { gradientsCommand } from './gradients.js';
import { importCommand } from './import.js';
import { inspectCommand } from './inspect.js';
import { scoreCommand } from './score.js';
import { EXIT_CODE_HELP, exitCodeOf, EXIT_CODES, faultJson, formatFault } from './output.js';
import { planCommand } from './plan.js';
import { serveCommand } from './serve.js';
import { trainCommand } from './train.js';

const SUBCOMMANDS: readonly (() => Command)[] = [
  importCommand,
  inspectCommand,
  scoreCommand,
  exportCommand,
  gradientsCommand,
  trainCommand,
  serveCommand,
  planCommand,
  clientCommand,
  calibrateCommand,
  evaluateCommand,
  doctorCommand,
];

function buildProgram(): Command {
  const program = new Command('action-energy')
    .description('Scores robot action chunks with an energy model on ONNX Runtime')
    .version(programVersion())
    .option('--verbose', 'print stacks of errors')
    .addHelpText('after', `\n${EXIT_CODE_HELP}`)
    .exitOverride()
    // the fault is printed once, below, in the same form as every other
    .configureOutput({ outputError: () => undefined });
  for (const subcommand of SUBCOMMANDS) program.addCommand(adopt(program, subcommand()));
  return program;
}

/** Commands that are made apart inherit nothing by themselves: settings go down to every depth. */
function adopt(parent: Command, child: Command): Command {
  child.copyInheritedSettings(parent);
  for (const grandchild of child.commands) adopt(child, grandchild);
  return child;
}

/** A usage error as a fault; undefined when commander has only printed help or the version. */
function usageFault({ code, exitCode, message }: CommanderError): Fault | undefined {
  if (exitCode === EXIT_CODES.done) return undefined;
  if (code === 'commander.help') {
    return invalid('command', 'missing', { mend: 'See: action-energy --help' });
  }
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n');
  const [, flag, value, reason] =
    /^option '(--?[\w-]+)[^']*' argument '([^]*)' is invalid\.\s*([^]*)$/.exec(first) ?? [];
  if (flag !== undefined) return invalid(flag, (reason ?? '').replace(/\.$/, ''), { found: value ?? '' });
  const near = /Did you mean (.*)\?\)/.exec(rest.join(' '))?.[1];
  return new Fault('invalid', first, {
    mend: near === undefined ? 'See --help' : `Did you mean ${near}?`,
  });
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync([...argv]);
    return Number(process.exitCode ?? EXIT_CODES.done);
  } catch (error) {
    const fault = error instanceof CommanderError ? usageFault(error) : toFault(error);
    if (fault === undefined) return EXIT_CODES.done;
    // read from argv itself: the fault may be that the flags could not be parsed
    const text = argv.includes('--json') ? faultJson(fault) : formatFault(fault, argv.includes('--verbose'));
    process.stderr.write(`${text}\n`);
    return exitCodeOf(fault.kind);
  }
}

// a reader that has seen enough (`| head`) is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT_CODES.done);
  throw error;
});
process.exitCode = await main(process.argv);
