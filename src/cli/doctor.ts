/** `action-energy doctor MODEL [DATA...]`: probes a model for the traps that a good training loss hides. */
import { Command } from 'commander';
import { examine } from '../calibration/doctor/examine.js';
import type { Finding } from '../calibration/doctor/probe.js';
import { loadCalibration } from '../calibration/store.js';
import { withOpened } from './calibration-flags.js';
import { engineFlags, type EngineFlags } from './engine-flags.js';
import { EXIT_CODES, interruptible, printJson } from './output.js';

interface DoctorFlags extends EngineFlags {
  readonly json?: true;
}

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('probe a model for blindness to actions, context, mask or units, saturation and dead layers')
    .argument('<model>', 'model bundle')
    .argument('[data...]', 'calibration data; without any, seeded random contexts and chunks')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExit code ${EXIT_CODES.precondition} when a probe fails; warnings and notes leave it at ${EXIT_CODES.done}.`,
    );
  return engineFlags(command).action(async (directory: string, files: string[], flags: DoctorFlags) => {
    await withOpened(directory, files, flags, async ({ bundle, engine, data }) => {
      const { card, weights } = bundle;
      const calibration = await loadCalibration(directory, bundle.digest).catch(() => undefined);
      const tau = calibration?.scores.readout.temperature.tau;
      const findings = await interruptible('nothing was written', () =>
        examine({ engine, card, weights, ...(data && { data }), ...(tau !== undefined && { tau }) }),
      );
      if (flags.json) printJson({ model: card.name, findings });
      else process.stdout.write(findingsText(findings));
      if (findings.some(({ level }) => level === 'failure')) process.exitCode = EXIT_CODES.precondition;
    });
  });
}

function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ probe }) => probe.length));
  const indent = ' '.repeat(width + 11);
  const lines = findings.flatMap(({ probe, level, measured, means, act }) => [
    `${level.padEnd(7)}  ${probe.padEnd(width)}  ${measured}`,
    ...[means, act].filter((text) => text !== '').map((text) => `${indent}${text}`),
  ]);
  const count = (level: Finding['level']): number =>
    findings.filter((finding) => finding.level === level).length;
  const total = `${count('failure')} failing, ${count('warning')} to look at, ${count('note')} to know, ${count('ok')} sound`;
  return `${[...lines, '', total].join('\n')}\n`;
}
