/**
 * From a checkpoint to a bundle: what the shapes tell is derived, what they cannot tell must be declared by whoever
 * trained the model, and is asked for by name.
 */
import type { z } from 'zod';
import { Fault } from '../errors.js';
import { describeWeights, type Architecture } from './architecture.js';
import { checkBundle } from './bundle.js';
import { checkCardSchema, usualHeads } from './card-checks.js';
import { CARD_FILE, CARD_FORMAT, type ModelCard, type poolSchema } from './card.js';
import { STEP_WEIGHTS, type Dims, type Structure } from './parameters.js';
import { learnedWeights } from './energy.js';
import { refuse, type Problem } from './problems.js';
import { READOUT_KINDS, usualTau, type readoutSchema } from './readout.js';
import { weightValues, type Weights } from './weights.js';

/** Everything about a model that its checkpoint does not contain. */
export interface Declared {
  readonly name: string;
  /** Required for cross_attention; a global_context model has none. */
  readonly heads?: number;
  /** Required. */
  readonly activation?: ModelCard['activation'];
  /** Required; gain, scale and offset default to the usual ones. */
  readonly readout?: z.input<typeof readoutSchema>;
  readonly pool?: z.input<typeof poolSchema>;
  /** Default: the usual one of the readout. */
  readonly tau?: number;
  /** Steps of the training chunks; derived for global_context. */
  readonly chunk?: number;
  /** Default: units `unspecified`, nothing else declared. */
  readonly actions?: ModelCard['actions'];
  /** Default: PyTorch's 1e-5. */
  readonly layerNormEps?: number;
  /** Default: True marks a token to ignore. */
  readonly maskPolarity?: ModelCard['mask_polarity'];
  readonly provenance?: NonNullable<ModelCard['provenance']>;
}

export type DeclarationName = 'heads' | 'activation' | 'readout';

/** One thing that must be declared and was not, with the value that most checkpoints have. */
export interface MissingDeclaration {
  readonly name: DeclarationName;
  readonly usual: string;
  readonly why: string;
}

/** Says which declarations are missing; the CLI turns them into a command line. */
export class MissingDeclarations extends Fault {
  readonly missing: readonly MissingDeclaration[];

  constructor(field: string, missing: readonly MissingDeclaration[]) {
    super('invalid', 'the checkpoint does not say everything about the model', {
      field,
      found: `nothing about ${missing.map(({ name }) => name).join(', ')}`,
      wanted: missing.map(({ name, usual, why }) => `${name} (${why}; usual: ${usual})`).join('\n'),
    });
    this.missing = missing;
  }
}

/** What must still be declared for weights of this architecture. */
export function missingDeclarations(
  architecture: Architecture,
  dims: Dims,
  declared: Pick<Declared, DeclarationName>,
): MissingDeclaration[] {
  const missing: MissingDeclaration[] = [];
  if (architecture === 'cross_attention' && declared.heads === undefined) {
    const usual = dims.hidden === undefined ? 8 : usualHeads(dims.hidden);
    missing.push({
      name: 'heads',
      usual: String(usual),
      why: 'attention heads leave no trace in the shapes',
    });
  }
  if (declared.activation === undefined) {
    missing.push({ name: 'activation', usual: 'relu', why: 'relu or silu, as the training code had it' });
  }
  if (declared.readout === undefined) {
    missing.push({ name: 'readout', usual: 'sigmoid', why: `one of ${READOUT_KINDS.join(', ')}` });
  }
  return missing;
}

/**
 * Card and weights of an imported checkpoint, checked as `checkBundle` does. Errors: unknown architecture; every missing,
 * unexpected or wrong-shaped key; `MissingDeclarations`; a declaration that contradicts the weights; non-finite weights.
 *
 * @param field names the checkpoint in errors
 * @param tensors state dict without `module.` prefix, any float dtype
 */
export function bundleFromCheckpoint(
  tensors: Weights,
  declared: Declared,
  field = 'checkpoint',
): { readonly card: ModelCard; readonly weights: Weights } {
  const { structure, dims, problems } = describeWeights(field, tensors);
  refuse(field, problems);
  const missing = missingDeclarations(structure.architecture, dims, declared);
  if (missing.length > 0) throw new MissingDeclarations(field, missing);
  refuse(field, misplaced(structure, dims, declared));
  const { name, heads, activation, readout, pool, chunk, provenance } = declared;
  const learned = structure.learnedPool && {
    pool: { kind: 'weighted', learned: true, weights: learnedWeights(weightValues(tensors, STEP_WEIGHTS)) },
  };
  const ofCross = structure.learnedPool ? dims.chunk : chunk;
  const tau = declared.tau ?? usualTau(readout!.kind);
  const actions = declared.actions ?? { units: 'unspecified' };
  const card = checkCardSchema(
    {
      format: CARD_FORMAT,
      name,
      architecture: structure.architecture,
      activation,
      ...(declared.layerNormEps === undefined ? {} : { layer_norm_eps: declared.layerNormEps }),
      readout,
      ...(learned || (pool === undefined ? {} : { pool })),
      state_dim: dims.state_dim,
      action_dim: dims.action_dim,
      hidden: dims.hidden,
      ...(structure.architecture === 'cross_attention'
        ? {
            heads,
            blocks: structure.blocks,
            action_norm: structure.action_norm,
            ...(ofCross === undefined ? {} : { chunk: ofCross }),
          }
        : { layers: structure.layers, chunk: dims.chunk }),
      tau,
      actions,
      mask_polarity: declared.maskPolarity ?? 'true_is_ignored',
      ...(provenance === undefined ? {} : { provenance }),
    },
    CARD_FILE,
  );
  checkBundle(field, card, tensors);
  return { card, weights: tensors };
}

/** Declarations that this architecture cannot have. */
function misplaced(
  { architecture, learnedPool }: Structure,
  dims: Dims,
  { heads, chunk, pool }: Declared,
): Problem[] {
  const problems: Problem[] = [];
  if (learnedPool && pool !== undefined) {
    problems.push({
      field: 'pool',
      summary: `the checkpoint has learned weights of the steps, ${STEP_WEIGHTS}`,
      found: pool.kind,
      wanted: 'no pool',
    });
  }
  if (architecture === 'global_context' && heads !== undefined) {
    problems.push({
      field: 'heads',
      summary: 'a global_context model has no attention',
      found: String(heads),
      wanted: 'no heads',
    });
  }
  if (dims.chunk !== undefined && chunk !== undefined && chunk !== dims.chunk) {
    problems.push({
      field: 'chunk',
      summary: `contradicts the ${architecture === 'global_context' ? 'rows of pos_emb.weight' : `length of ${STEP_WEIGHTS}`}`,
      found: String(chunk),
      wanted: String(dims.chunk),
    });
  }
  return problems;
}
