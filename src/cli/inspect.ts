/** `action-energy inspect DIR`: what a bundle holds, after checking that it is sound. */
import { Command } from 'commander';
import { loadBundle } from '../model/bundle.js';
import { parameterCount } from '../model/weights.js';
import { formatShape } from '../tensor/tensor.js';
import { formatCount, formatTable, printJson } from './output.js';

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('check a model bundle and print its card, shapes, parameter count and digest')
    .argument('<directory>', 'model bundle')
    .option('--json', 'print JSON')
    .action(async (directory: string, options: { json?: true }) => {
      const { card, weights, digest } = await loadBundle(directory);
      const parameters = parameterCount(weights);
      if (options.json) {
        const tensors = [...weights].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
        printJson({ directory, card, tensors, parameters, digest });
        return;
      }
      const rows = [...weights].map(([name, { dtype, shape }]) => [name, dtype, formatShape(shape)]);
      process.stdout.write(
        [
          JSON.stringify(card, null, 2),
          '',
          formatTable(['tensor', 'dtype', 'shape'], rows),
          '',
          `parameters  ${formatCount(parameters)}`,
          `digest      sha256 ${digest}`,
          '',
        ].join('\n'),
      );
    });
}
