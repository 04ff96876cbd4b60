/** The soak's traffic: callers of every kind at once, for as long as they are told, and what became of each call. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials, Metadata, status as Code } from '@grpc/grpc-js';
import { EnergyClient } from '../src/client/energy-client.js';
import { ClientContext } from '../src/client/kept-context.js';
import { randomRequests, type RandomRequests } from '../src/client/random-requests.js';
import { toFault, type FaultKind } from '../src/errors.js';
import { contract } from '../src/wire/contract.js';
import { bundledRequests } from '../test/support/load.js';
import { uniform } from '../test/support/bundles.js';

export const KINDS = ['fresh', 'kept', 'stream', 'matrix', 'cancelled', 'malformed'] as const;
export type Kind = (typeof KINDS)[number];

export interface Call {
  readonly kind: Kind;
  /** Since the start. */
  readonly atMs: number;
  readonly ms: number;
  /** Absent: answered as it should be. */
  readonly error?: FaultKind;
}

export interface Load {
  readonly requests: (client: EnergyClient) => Promise<RandomRequests>;
  /** Pause of a caller between two calls: the machine is loaded, not saturated, so that latencies can be compared. */
  readonly pauseMs: number;
}

export const LOADS = {
  bundled: { requests: (client) => bundledRequests(client, 16), pauseMs: 40 },
  /** A 7B policy's: D 4096, S 600 with 60 masked, 4.9 MB a context. */
  reference: {
    requests: async (client) =>
      randomRequests(await client.getModel(''), {
        ...{ tokens: 600, masked: 60, candidates: 16, steps: 8, dtype: 'bfloat16' },
      }),
    pauseMs: 400,
  },
} as const satisfies Record<string, Load>;

/** Kept contexts of the `kept` caller at a time; each is used some times, then another takes its place. */
const CONTEXTS = 4;
const USES = 50;

type Step = () => Promise<void>;

/** Calls until `signal` aborts; every call is told to `record`. */
export async function runTraffic(
  address: string,
  { requests: ask, pauseMs }: Load,
  signal: AbortSignal,
  record: (call: Call) => void,
): Promise<void> {
  const client = await EnergyClient.open({ address });
  const requests = await ask(client);
  const raw = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const startMs = performance.now();
  const steps: Readonly<Record<Kind, Step>> = {
    fresh: async () => void (await client.score(requests.score(0))),
    kept: keptStep(client, requests),
    stream: streamStep(client, requests),
    matrix: async () => {
      const contexts = [{ inline: requests.context }, { inline: requests.context }];
      await client.matrix({ contexts, actions: requests.score(0).candidates! });
    },
    cancelled: () => cancelledStep(client, requests),
    malformed: malformedStep(raw, requests),
  };
  const caller = async (kind: Kind): Promise<void> => {
    while (!signal.aborted) {
      const begun = performance.now();
      const end = (error?: FaultKind): void =>
        record({ kind, atMs: begun - startMs, ms: performance.now() - begun, ...(error && { error }) });
      await steps[kind]().then(
        () => end(),
        (error: unknown) => end(toFault(error).kind),
      );
      await delay(pauseMs);
    }
  };
  await Promise.all(KINDS.map(caller));
  raw.close();
  client.close();
}

function keptStep(client: EnergyClient, requests: RandomRequests): Step {
  const contexts = new Map<number, { context: ClientContext; uses: number }>();
  let turn = 0;
  return async () => {
    const place = turn++ % CONTEXTS;
    const held = contexts.get(place) ?? {
      context: new ClientContext(client, requests.context, { model: '' }),
      uses: 0,
    };
    contexts.set(place, held);
    await held.context.score({ candidates: requests.score(turn).candidates! });
    if (++held.uses < USES) return;
    contexts.delete(place);
    if (turn % 2 === 0) await held.context.drop(); // the others are left to their leases
  };
}

/** Four requests at a time on a stream that lives for some turns; two of them may be superseded. */
function streamStep(client: EnergyClient, requests: RandomRequests): Step {
  let stream = client.stream();
  let turn = 0;
  return async () => {
    const answers = [0, 1, 2, 3].map((i) => stream.score(requests.score(i), { supersede: i < 2 }));
    for (const answer of await Promise.allSettled(answers)) {
      if (answer.status === 'rejected' && toFault(answer.reason).kind !== 'superseded') {
        stream.cancel();
        stream = client.stream();
        throw answer.reason;
      }
    }
    if (++turn % USES === 0) {
      stream.end();
      stream = client.stream();
    }
  };
}

async function cancelledStep(client: EnergyClient, requests: RandomRequests): Promise<void> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 4 * Math.random());
  try {
    await client.score(requests.score(0), { signal: abort.signal });
  } catch (error) {
    if (toFault(error).kind !== 'cancelled') throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Truncated and overwritten requests; anything but a typed refusal (or luck) is an error. */
function malformedStep(raw: Client, requests: RandomRequests): Step {
  const { path, requestSerialize } = contract.energy.ScoreActions;
  const whole = requestSerialize(requests.score(0));
  const random = uniform(31);
  return () => {
    const bytes = Buffer.from(whole.subarray(0, Math.floor(random() * whole.length)));
    if (bytes.length > 0)
      bytes[Math.floor(random() * Math.min(40, bytes.length))] = Math.floor(256 * random());
    return new Promise((resolve, reject) => {
      raw.makeUnaryRequest(
        path,
        (message: Buffer) => message,
        (answer) => answer,
        bytes,
        new Metadata(),
        { deadline: Date.now() + 30_000 },
        (error) => {
          const code = error?.code ?? Code.OK;
          if (code === Code.OK || code === Code.INVALID_ARGUMENT || code === Code.NOT_FOUND) resolve();
          else reject(new Error(`a malformed message was answered ${Code[code]}`));
        },
      );
    });
  };
}
