/** Every method with wrong input: the right code, the right field, and a server that goes on. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { status as Code, type Client, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import type { Context } from '../../src/generated/action_energy/v1/Context.js';
import type { EnergyMatrixRequest } from '../../src/generated/action_energy/v1/EnergyMatrixRequest.js';
import type { InlineContext } from '../../src/generated/action_energy/v1/InlineContext.js';
import type { ScoreActionsRequest } from '../../src/generated/action_energy/v1/ScoreActionsRequest.js';
import type { Tensor } from '../../src/generated/action_energy/v1/Tensor.js';
import { contract } from '../../src/wire/contract.js';
import { goldenTensors } from '../support/bundles.js';
import {
  badField,
  call,
  failure,
  goldenContext,
  goldenRequest,
  serveGolden,
  tensorMessage,
  type TestService,
} from '../support/service.js';

const CASE = 'cross_relu_sigmoid';
const GLOBAL = 'global_silu_half_square';
const inputs = goldenTensors(CASE, 'inputs');
const actions = tensorMessage(inputs.get('actions')!);
const inline = goldenContext(inputs, 0);
const hidden = inline.hidden!;
const [S = 0, D = 0] = hidden.shape!;
const [, H = 0, A = 0] = actions.shape!;
const good: ScoreActionsRequest = { inline, candidates: actions };

function patched(tensor: Tensor, byte: number, value: Buffer): Tensor {
  const data = Buffer.from(tensor.data as Buffer);
  value.copy(data, byte);
  return { ...tensor, data };
}
const NAN = Buffer.from(Float32Array.of(NaN).buffer);
const zeros = (dtype: Tensor['dtype'], bytes: number, ...shape: number[]): Tensor => ({
  ...(dtype === undefined ? {} : { dtype }),
  shape,
  data: Buffer.alloc(bytes),
});
const withHidden = (tensor: Tensor): ScoreActionsRequest => ({
  ...good,
  inline: { ...inline, hidden: tensor },
});
const withMask = (mask: Omit<InlineContext, 'hidden'>): ScoreActionsRequest => ({
  ...good,
  inline: { hidden, ...mask },
});
const withActions = (candidates: Tensor): ScoreActionsRequest => ({ ...good, candidates });
const withOptions = (options: NonNullable<ScoreActionsRequest['options']>): ScoreActionsRequest => ({
  ...good,
  options,
});

type WrongScore = readonly [
  name: string,
  request: ScoreActionsRequest,
  code: Code,
  field: string | RegExp | undefined,
];

const WRONG_SCORES: readonly WrongScore[] = [
  ['an empty request', {}, Code.INVALID_ARGUMENT, 'candidates'],
  ['an unknown model', { ...good, model: 'nobody' }, Code.NOT_FOUND, undefined],
  ['no context', { candidates: actions }, Code.INVALID_ARGUMENT, 'inline'],
  ['no hidden', { ...good, inline: {} }, Code.INVALID_ARGUMENT, 'inline.hidden'],
  [
    'truncated hidden',
    withHidden({ ...hidden, data: (hidden.data as Buffer).subarray(1) }),
    Code.INVALID_ARGUMENT,
    'inline.hidden',
  ],
  [
    'a lying shape',
    withHidden({ ...hidden, shape: [2 ** 32 - 1, 2 ** 32 - 1] }),
    Code.INVALID_ARGUMENT,
    'inline.hidden',
  ],
  [
    'wrong D',
    withHidden(zeros('FLOAT32', S * (D + 1) * 4, S, D + 1)),
    Code.INVALID_ARGUMENT,
    'inline.hidden.shape',
  ],
  ['no tokens', withHidden(zeros('FLOAT32', 0, 0, D)), Code.INVALID_ARGUMENT, 'inline.hidden.shape'],
  [
    'one token',
    { ...good, inline: { hidden: zeros('FLOAT32', D * 4, 1, D) } },
    Code.INVALID_ARGUMENT,
    'inline.hidden',
  ],
  [
    'too many tokens',
    withHidden(zeros('FLOAT32', 65 * D * 4, 65, D)),
    Code.INVALID_ARGUMENT,
    'inline.hidden.shape[0]',
  ],
  [
    'no dtype',
    withHidden(zeros('DTYPE_UNSPECIFIED', S * D * 4, S, D)),
    Code.INVALID_ARGUMENT,
    'inline.hidden.dtype',
  ],
  [
    'an unknown dtype',
    withHidden(zeros(77 as unknown as Tensor['dtype'], S * D * 4, S, D)),
    Code.INVALID_ARGUMENT,
    'inline.hidden.dtype',
  ],
  ['a BOOL context', withHidden(zeros('BOOL', S * D, S, D)), Code.INVALID_ARGUMENT, 'inline.hidden.dtype'],
  ['a NaN token', withHidden(patched(hidden, 0, NAN)), Code.INVALID_ARGUMENT, /hidden/],
  [
    'a short mask',
    withMask({ padMask: zeros('BOOL', S - 1, S - 1) }),
    Code.INVALID_ARGUMENT,
    'inline.pad_mask',
  ],
  [
    'a mask of numbers',
    withMask({ padMask: zeros('FLOAT32', S * 4, S) }),
    Code.INVALID_ARGUMENT,
    'inline.pad_mask.dtype',
  ],
  [
    'a mask of 2',
    withMask({ padMask: { ...zeros('BOOL', S, S), data: Buffer.alloc(S, 2) } }),
    Code.INVALID_ARGUMENT,
    'inline.pad_mask[0]',
  ],
  [
    'nothing visible',
    withMask({ padMask: { ...zeros('BOOL', S, S), data: Buffer.alloc(S, 1) } }),
    Code.INVALID_ARGUMENT,
    'inline.pad_mask',
  ],
  [
    'too many patches',
    withMask({ maskPieces: { numPatches: S + 1 } }),
    Code.INVALID_ARGUMENT,
    'inline.mask_pieces.num_patches',
  ],
  [
    'a span backwards',
    withMask({ maskPieces: { numPatches: 1, actionTokens: [{ start: 5, end: 3 }] } }),
    Code.INVALID_ARGUMENT,
    /^inline\.mask_pieces/,
  ],
  ['no candidates', { inline }, Code.INVALID_ARGUMENT, 'candidates'],
  ['zero candidates', withActions(zeros('FLOAT32', 0, 0, H, A)), Code.INVALID_ARGUMENT, 'candidates.shape'],
  [
    'wrong A',
    withActions(zeros('FLOAT32', H * (A + 1) * 4, 1, H, A + 1)),
    Code.INVALID_ARGUMENT,
    'candidates.shape',
  ],
  ['one axis', withActions(zeros('FLOAT32', A * 4, A)), Code.INVALID_ARGUMENT, 'candidates.shape'],
  [
    'too many candidates',
    withActions(zeros('FLOAT32', 33 * H * A * 4, 33, H, A)),
    Code.INVALID_ARGUMENT,
    'candidates.shape[0]',
  ],
  [
    'a NaN action',
    withActions(patched(actions, 4 * (A + 1), NAN)),
    Code.INVALID_ARGUMENT,
    /^candidates\[0, 1, 1\]/,
  ],
  ['tau 0', withOptions({ tau: 0 }), Code.INVALID_ARGUMENT, 'options.tau'],
  ['tau NaN', withOptions({ tau: NaN }), Code.INVALID_ARGUMENT, 'options.tau'],
  ['top_k above N', withOptions({ topK: 1000 }), Code.INVALID_ARGUMENT, 'options.top_k'],
  [
    'a baseline that is none',
    withOptions({ baselineIndex: 1000 }),
    Code.INVALID_ARGUMENT,
    'options.baseline_index',
  ],
  [
    'wrong weights',
    withOptions({ pool: { weighted: { weights: [1] } } }),
    Code.INVALID_ARGUMENT,
    'options.pool.weighted.weights',
  ],
  [
    'a weight of NaN',
    withOptions({ pool: { weighted: { weights: new Array<number>(H).fill(NaN) } } }),
    Code.INVALID_ARGUMENT,
    'options.pool.weighted.weights[0]',
  ],
  [
    'gamma 2',
    withOptions({ pool: { discount: { gamma: 2 } } }),
    Code.INVALID_ARGUMENT,
    'options.pool.discount.gamma',
  ],
  ...[0, H + 1, 2 ** 32 - 1].map((window): WrongScore => [
    `a window of ${window}`,
    withOptions({ pool: { windowedMax: { window } } }),
    Code.INVALID_ARGUMENT,
    'options.pool.windowed_max.window',
  ]),
  [
    'an unknown score',
    withOptions({ score: 9 as unknown as 'READOUT' }),
    Code.INVALID_ARGUMENT,
    'options.score',
  ],
  ['an unknown context id', { contextId: 'gone', candidates: actions }, Code.NOT_FOUND, undefined],
  ['an empty context id', { contextId: '', candidates: actions }, Code.INVALID_ARGUMENT, 'context_id'],
  [
    'keeping what is kept',
    { contextId: 'x', candidates: actions, options: { keepContext: {} } },
    Code.INVALID_ARGUMENT,
    'options.keep_context',
  ],
];

const WRONG_MATRICES: readonly [
  name: string,
  request: EnergyMatrixRequest,
  code: Code,
  field: string | undefined,
][] = [
  ['no contexts', { actions }, Code.INVALID_ARGUMENT, 'contexts'],
  [
    'too many contexts',
    { contexts: new Array<Context>(5).fill({ inline }), actions },
    Code.INVALID_ARGUMENT,
    'contexts',
  ],
  ['an empty context', { contexts: [{ inline }, {}], actions }, Code.INVALID_ARGUMENT, 'contexts[1].inline'],
  ['an unknown id', { contexts: [{ inline }, { contextId: 'gone' }], actions }, Code.NOT_FOUND, undefined],
  ['no actions', { contexts: [{ inline }] }, Code.INVALID_ARGUMENT, 'actions'],
  ['tau', { contexts: [{ inline }], actions, tau: -1 }, Code.INVALID_ARGUMENT, 'tau'],
];

function check(error: ServiceError, code: Code, field: string | RegExp | undefined): void {
  assert.equal(error.code, code, error.message);
  const found = badField(error);
  if (field instanceof RegExp) assert.match(found ?? '', field);
  else assert.equal(found, field);
}

describe('wrong input', () => {
  let service: TestService;
  let client: Client;
  before(async () => {
    const flags = {
      'max-tokens': '64',
      'max-candidates': '32',
      'max-contexts': '4',
      'max-message-bytes': '262144',
    };
    service = await serveGolden([CASE], flags);
    ({ client } = service);
  });
  after(() => service.close());

  for (const [name, request, code, field] of WRONG_SCORES) {
    test(`ScoreActions: ${name}`, async () => {
      check(await failure(call(client, contract.energy.ScoreActions, request)), code, field);
    });
  }
  for (const [name, request, code, field] of WRONG_MATRICES) {
    test(`EnergyMatrix: ${name}`, async () => {
      check(await failure(call(client, contract.energy.EnergyMatrix, request)), code, field);
    });
  }

  test('the others', async () => {
    const { PutContext, DropContext, GetModel } = contract.energy;
    check(await failure(call(client, PutContext, {})), Code.INVALID_ARGUMENT, 'context');
    check(
      await failure(call(client, PutContext, { context: { hidden: actions } })),
      Code.INVALID_ARGUMENT,
      'context.hidden.shape',
    );
    check(await failure(call(client, DropContext, {})), Code.INVALID_ARGUMENT, 'context_id');
    check(await failure(call(client, DropContext, { contextId: 'gone' })), Code.NOT_FOUND, undefined);
    check(await failure(call(client, GetModel, { name: 'nobody' })), Code.NOT_FOUND, undefined);
    check(await failure(call(client, contract.admin.Reload, { model: 'nobody' })), Code.NOT_FOUND, undefined);
  });

  test('a message above the limit', async () => {
    const huge = withHidden(zeros('FLOAT32', 400 * D * 4 + (1 << 20), 400, D));
    assert.equal(
      (await failure(call(client, contract.energy.ScoreActions, huge))).code,
      Code.RESOURCE_EXHAUSTED,
    );
  });

  test('a poison request among good ones fails alone', async () => {
    const { ScoreActions } = contract.energy;
    const alone = await call(client, ScoreActions, good);
    const poison = withHidden(patched(hidden, 8, NAN));
    const answers = await Promise.allSettled(
      [good, poison, good, poison, good].map((request) => call(client, ScoreActions, request)),
    );
    for (const [i, answer] of answers.entries()) {
      if (i % 2 === 1) assert.equal(answer.status, 'rejected');
      else assert.deepEqual(answer.status === 'fulfilled' && answer.value.energies, alone.energies);
    }
  });

  test('bytes of a fuzzer: a typed error for each, and the server answers after', async () => {
    const whole = contract.energy.ScoreActions.requestSerialize(good);
    const raw = {
      path: contract.energy.ScoreActions.path,
      requestSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: contract.energy.ScoreActions.responseDeserialize,
    };
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    const flipped = edits.map((pairs) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of pairs) bytes[at] = value;
      return bytes;
    });
    const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
    const noise = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    const typed: (Code | undefined)[] = [undefined, Code.INVALID_ARGUMENT, Code.NOT_FOUND];
    await fc.assert(
      fc.asyncProperty(fc.oneof(flipped, cut, noise), async (bytes) => {
        const code = await call(client, raw, bytes).then(
          () => undefined,
          (error: ServiceError) => error.code,
        );
        assert.ok(typed.includes(code), `${code === undefined ? 'OK' : Code[code]}`);
      }),
      { numRuns: 300 },
    );
    assert.equal((await call(client, contract.energy.ScoreActions, good)).energies.length, actions.shape![0]);
  });

  test('a global_context model takes no mask, of either kind', async () => {
    const service = await serveGolden([GLOBAL]);
    try {
      const one = goldenRequest(GLOBAL);
      const { hidden: vector } = one.inline;
      const padMask = zeros('BOOL', 1, 1);
      for (const [mask, field] of [
        [{ padMask }, 'inline.pad_mask'],
        [{ maskPieces: { numPatches: 0 } }, 'inline.mask_pieces'],
      ] as const) {
        const request = { ...one, inline: { hidden: vector!, ...mask } };
        const error = await failure(call(service.client, contract.energy.ScoreActions, request));
        check(error, Code.INVALID_ARGUMENT, field);
      }
      await call(service.client, contract.energy.ScoreActions, { ...one, inline: { hidden: vector! } });
    } finally {
      await service.close();
    }
  });
});
