/**
 * The model card, `energy.json`: what an energy model is, beside its weights. What the weights' shapes tell is stored
 * here too and checked against them; what they cannot tell (heads, activation, readout, action units) is declared here
 * and nowhere else.
 */
import { z } from 'zod';
import { readoutSchema } from './readout.js';

export const CARD_FORMAT = 'action-energy/1';
export const CARD_FILE = 'energy.json';
export const WEIGHTS_FILE = 'weights.safetensors';

/** Longest chunk (H) that is served; policies use 8 to 50 steps. */
export const MAX_CHUNK_STEPS = 512;

const size = z.int().min(1);
const finite = z.number();
const positive = z.number().positive();

/** How the H per-step values become one energy. */
export const poolSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('mean') }),
  z.strictObject({ kind: z.literal('sum') }),
  z.strictObject({ kind: z.literal('first') }),
  /**
   * Given weights [H], used as they are; without them `softmax(linspace(1.0, 0.3, H))`. `learned`: they are the softmax of
   * the parameter `step_weights` [H].
   */
  z.strictObject({
    kind: z.literal('weighted'),
    weights: z.array(finite).min(1).optional(),
    learned: z.literal(true).optional(),
  }),
  /** `gamma^t`, normalised to sum 1. */
  z.strictObject({ kind: z.literal('discount'), gamma: z.number().positive().max(1) }),
  /** The highest mean of `window` steps in a row: one bad stretch is not diluted by the good ones (arXiv 2603.18342). */
  z.strictObject({ kind: z.literal('windowed_max'), window: size }),
]);
export type Pool = z.infer<typeof poolSchema>;

export const actionConventionsSchema = z.strictObject({
  /** `normalized_q99`: q01/q99 mapped to [-1, 1]; `raw`: the robot's own units; `unspecified`: nobody said. */
  units: z.enum(['normalized_q99', 'raw', 'unspecified']),
  /** Lowest and highest allowed value by action dim, in `units`; absent: unbounded. */
  bounds: z.strictObject({ low: z.array(finite), high: z.array(finite) }).optional(),
  /** Where the gripper is and how it is coded; absent: none declared. */
  gripper: z
    .strictObject({ index: z.int().min(0), coding: z.enum(['zero_one', 'minus_one_one', 'continuous']) })
    .optional(),
  /** One name an action dim, e.g. `x y z roll pitch yaw gripper`. */
  names: z.array(z.string().min(1)).optional(),
  /** Dims that follow from others or never change (padding): probes and made negatives leave them as they are. */
  derived: z.array(z.int().min(0)).optional(),
});
export type ActionConventions = z.infer<typeof actionConventionsSchema>;

export const maskPolaritySchema = z.enum(['true_is_ignored', 'true_is_visible']);
export type MaskPolarity = z.infer<typeof maskPolaritySchema>;

export const provenanceSchema = z.strictObject({
  /** File name (not path) of the imported checkpoint. */
  source: z.string(),
  /** Hex sha256 of that file. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** ISO 8601 instant of the import. */
  imported: z.iso.datetime(),
});

const common = {
  format: z.literal(CARD_FORMAT),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'letters, digits, dot, dash and underscore, at most 128'),
  activation: z.enum(['relu', 'silu']),
  /** Added to the variance by every layer norm: 1e-5 in PyTorch, 1e-6 in the JAX port of this family. */
  layer_norm_eps: positive.max(1e-2).default(1e-5),
  /** Per-step readout of the raw value r: what turns the prediction head's output into an energy. */
  readout: readoutSchema,
  pool: poolSchema.default({ kind: 'mean' }),
  /** Width of a context token (D). */
  state_dim: size,
  /** Action dims (A). */
  action_dim: size,
  /** Hidden width (h). */
  hidden: size,
  /** InfoNCE temperature of training; calibration may replace it. */
  tau: positive,
  actions: actionConventionsSchema,
  /** `--precision auto` serves int8 when at least this share of clear best candidates stays the same in it. */
  int8_agreement: z.number().min(0).max(1).default(0.99),
  /** What True means in the masks that come with contexts: ignore this token (PyTorch's way), or see it (JAX's). */
  mask_polarity: maskPolaritySchema,
  provenance: provenanceSchema.optional(),
};

export const cardSchema = z.discriminatedUnion('architecture', [
  z.strictObject({
    architecture: z.literal('cross_attention'),
    ...common,
    /** Attention heads; divides `hidden`. */
    heads: size,
    /**
     * What stands before the first layer of action_linear. `layer_norm` over the action dims (the report's) hides how far an
     * action goes: E(s a + c) = E(a). `none` sees it.
     */
    action_norm: z.enum(['layer_norm', 'none']).default('layer_norm'),
    /** Residual blocks of state_linear, action_linear and prediction_head. */
    blocks: z.strictObject({ state: z.int().min(0), action: z.int().min(0), head: z.int().min(0) }),
    /** Steps (H) of the chunks it was trained on; when present, every scored chunk must have exactly this many. */
    chunk: size.max(MAX_CHUNK_STEPS).optional(),
  }),
  z.strictObject({
    architecture: z.literal('global_context'),
    ...common,
    /** Residual blocks of `model`. */
    layers: z.int().min(0),
    /** Rows of `pos_emb`: every scored chunk has exactly this many steps (H). */
    chunk: size.max(MAX_CHUNK_STEPS),
  }),
]);
export type ModelCard = z.infer<typeof cardSchema>;
export type CrossAttentionCard = Extract<ModelCard, { architecture: 'cross_attention' }>;
export type GlobalContextCard = Extract<ModelCard, { architecture: 'global_context' }>;
