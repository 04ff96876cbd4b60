/** `action-energy export DIR -o FILE.onnx [--ranking]`: the model as one ONNX graph for other runtimes. */
import { rename, writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { rankingGraph, EXPORT_OPSET, singleGraph } from '../energy/exported-graphs.js';
import { invalid } from '../errors.js';
import { writeOnnx } from '../graph/onnx.js';
import { loadBundle } from '../model/bundle.js';
import { MAX_CHUNK_STEPS } from '../model/card.js';
import { formatCount, printJson } from './output.js';

interface ExportFlags {
  readonly output: string;
  readonly chunk?: number;
  readonly ranking?: true;
  readonly json?: true;
}

export function exportCommand(): Command {
  return new Command('export')
    .description(
      'write the model as one ONNX graph: hidden [B,S,D], actions [B,H,A], pad_mask [B,S] -> energy [B], steps [B,H]',
    )
    .argument('<directory>', 'model bundle')
    .requiredOption('-o, --output <file>', 'file to write, FILE.onnx')
    .option('--chunk <steps>', 'steps (H) of a chunk, where the card does not fix them', chunkFlag)
    .option(
      '--ranking',
      'one context against N candidates, encoded once: hidden [S,D], actions [N,H,A], pad_mask [S] -> energy [N], steps [N,H]',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nThe mask is True where a token is ignored. Dropout is off, readout and pooling are those of the card.' +
        '\nThe plain graph is the model term by term and wants a context for every chunk; to rank N chunks of one' +
        '\ncontext with it costs N times the encoding. The ranking graph encodes once. A global_context model takes' +
        '\nhidden [B,D] ([D] to rank) and no mask.' +
        '\nExample: action-energy export models/tiny-reach -o tiny-reach.onnx',
    )
    .action(async (directory: string, options: ExportFlags) => {
      const { card, weights, digest } = await loadBundle(directory);
      const steps = stepsOf(card.chunk, options.chunk);
      const graph = (options.ranking ? rankingGraph : singleGraph)(card, weights, steps);
      const bytes = writeOnnx(graph, {
        opset: EXPORT_OPSET,
        doc: `Energy model ${card.name}; lower energy fits better`,
        properties: { weights_sha256: digest, card: JSON.stringify(card) },
      });
      await writeFile(`${options.output}.partial`, bytes);
      await rename(`${options.output}.partial`, options.output);
      if (options.json) {
        printJson({ output: options.output, bytes: bytes.length, opset: EXPORT_OPSET, steps, digest });
        return;
      }
      process.stdout.write(
        `${options.output}  ${formatCount(bytes.length)} bytes, opset ${EXPORT_OPSET}, H ${steps}, ` +
          `inputs ${graph.inputs.map(({ name }) => name).join(', ')}\n`,
      );
    });
}

function chunkFlag(text: string): number {
  const steps = Number(text);
  if (!Number.isInteger(steps) || steps < 1 || steps > MAX_CHUNK_STEPS) {
    throw new InvalidArgumentError(`wanted an integer from 1 to ${MAX_CHUNK_STEPS}`);
  }
  return steps;
}

function stepsOf(declared: number | undefined, asked: number | undefined): number {
  const steps = declared ?? asked;
  if (steps === undefined) {
    throw invalid('--chunk', 'the card does not say how many steps a chunk has', {
      wanted: 'H, the steps of a chunk',
      mend: 'Usual: --chunk 8',
    });
  }
  if (asked !== undefined && asked !== steps) {
    throw invalid('--chunk', 'contradicts the card', { found: String(asked), wanted: String(steps) });
  }
  return steps;
}
