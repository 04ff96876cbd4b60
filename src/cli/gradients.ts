/** `action-energy gradients DIR FILE --loss KIND -o OUT`: a loss and its gradients, to hold against PyTorch's. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { openTensorFile } from '../data/tensor-file.js';
import { LOSS_KINDS, type LossKind } from '../energy/loss-terms.js';
import { Runtime } from '../engine/runtime.js';
import { loadBundle } from '../model/bundle.js';
import { fileGradients } from '../offline/gradients.js';
import { writeSafetensors } from '../weights/safetensors.js';
import { checkWritable, writeWhole } from '../weights/whole-file.js';
import { whole } from './engine-flags.js';
import { formatTable, printJson } from './output.js';

interface Flags {
  readonly output: string;
  readonly loss: LossKind;
  readonly tau?: number;
  readonly threads: number;
  readonly json?: true;
}

const HELP = `
All rows of the data are one batch; dropout is off; arithmetic is float32 on the CPU.

Data (.safetensors, .npz or .pt), B pairs:
  hidden     [B,S,D], or [T,D] with offsets [B+1]; [B,D] for a global_context model
  pad_mask   [B,S] or [T], True = ignore; without it every token is visible
  actions    [B,H,A]
  negatives  [B,M,H,A], for explicit (all M) and hinge (the first of each)
  noise0..   [B,H,A] each, for alignment; without them noise of sigma 0.05, 0.15 and 0.30 is drawn, seeded

Losses: swap and explicit are InfoNCE at --tau (default: the card's); hinge has m0 1.0 and kappa 0.6, margin beta 2.0.

Output (safetensors, float32): loss []; grad/NAME by each parameter, under its state-dict name and in its shape;
  action_grad [B,H,A], the gradient of the sum of the energies by the actions.

Example:
  action-energy gradients models/mine batch.safetensors --loss swap -o gradients.safetensors`;

export function gradientsCommand(): Command {
  return new Command('gradients')
    .description('a loss over a data file and its gradient by every parameter and by the actions')
    .argument('<directory>', 'model bundle')
    .argument('<data>', 'data file')
    .requiredOption('-o, --output <file>', 'file to write, OUT.safetensors')
    .addOption(new Option('--loss <kind>', 'which loss').choices(LOSS_KINDS).makeOptionMandatory())
    .option('--tau <x>', "temperature of InfoNCE (default: the card's)", temperature)
    .option('--threads <count>', 'CPU threads, 0: one a core', whole(0), 0)
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(runGradients);
}

function temperature(text: string): number {
  const tau = Number(text);
  if (!(tau > 0) || !Number.isFinite(tau)) throw new InvalidArgumentError('a number above 0 is wanted.');
  return tau;
}

async function runGradients(directory: string, path: string, flags: Flags): Promise<void> {
  await checkWritable(flags.output);
  const { card, weights, digest } = await loadBundle(directory);
  const tau = flags.tau ?? card.tau;
  const file = await openTensorFile(path);
  const runtime = new Runtime({ provider: 'cpu', threads: flags.threads, deviceId: 0 });
  try {
    const found = await fileGradients(runtime, card, weights, file, flags.loss, tau);
    if (found.drewNoise)
      process.stderr.write('note: the data has no noise0, noise1, ...: noise was drawn, seeded\n');
    await writeWhole(flags.output, writeSafetensors(found.tensors));
    const { loss, norm, pairs, steps } = found;
    const summary = {
      output: flags.output,
      loss_kind: flags.loss,
      tau,
      loss,
      gradient_norm: norm,
      pairs,
      steps,
    };
    if (flags.json) {
      printJson({
        ...summary,
        parameters: found.tensors.size - 2,
        drew_noise: found.drewNoise,
        model: card.name,
        digest,
      });
      return;
    }
    const rows = [
      ['loss', `${flags.loss} ${loss}`],
      ['gradient norm', String(norm)],
      ['batch', `${pairs} pairs, H ${steps}`],
      ['written', `${flags.output}: loss, action_grad and ${found.tensors.size - 2} gradients by parameter`],
    ];
    process.stdout.write(`${formatTable(['what', ''], rows)}\n`);
  } finally {
    await runtime.release();
    await file.close();
  }
}
