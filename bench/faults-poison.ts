/**
 * Sixteen callers for minutes, among poison, cancels, superseding and reloads: every answer must be bit-identical to the one
 * that the same request had alone, and every call must end. Part of `npm run faults -- --poison MINUTES`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { EnergyClient } from '../src/client/energy-client.js';
import type { RandomRequests } from '../src/client/random-requests.js';
import { toFault } from '../src/errors.js';
import type { ScoreActionsRequest } from '../src/generated/action_energy/v1/ScoreActionsRequest.js';
import type { Check } from '../test/support/attacks.js';
import { bundledRequests, SERVE_BUNDLED } from '../test/support/load.js';
import { startServerProcess } from '../test/support/server-process.js';

const CALLERS = 16;
/** Different good requests; their energies alone are the reference. */
const GOOD = 8;
const RELOAD_MS = 2_000;

interface Tally {
  identical: number;
  different: number;
  refused: Record<string, number>;
  wrong: Record<string, number>;
}

export async function poisonChecks(minutes: number, record: (check: Check) => void): Promise<void> {
  const server = await startServerProcess([...SERVE_BUNDLED, '--queue-items', '64']);
  const clients = await Promise.all(
    Array.from({ length: CALLERS }, () => EnergyClient.open({ address: server.address })),
  );
  const admin = await EnergyClient.open({ address: server.address });
  const requests = await bundledRequests(admin, 16);
  const reference: (readonly number[])[] = [];
  for (let i = 0; i < GOOD; i++) reference.push((await admin.score(requests.score(i))).energies);
  const tally: Tally = { identical: 0, different: 0, refused: {}, wrong: {} };
  const endMs = performance.now() + 60_000 * minutes;
  let reloads = 0;
  const reloading = (async () => {
    while (performance.now() < endMs) {
      await admin.reload('').then(
        () => reloads++,
        (error: unknown) => count(tally.wrong, `reload ${toFault(error).kind}`),
      );
      await delay(RELOAD_MS);
    }
  })();
  await Promise.all(clients.map((client) => caller(client, requests, reference, tally, endMs)));
  await reloading;
  for (const client of [...clients, admin]) client.close();
  const { code } = await server.stop();
  const { identical, different, refused, wrong } = tally;
  record({
    done: `${CALLERS} callers for ${minutes} min: good requests, poison, cancels, superseding; ${reloads} reloads`,
    bound: 'every answer bit-identical to its reference, poison refused, no other end',
    seen: `${identical} identical, ${different} different, refused ${JSON.stringify(refused)}, wrong ${JSON.stringify(wrong)}`,
    ok:
      identical > 0 &&
      different === 0 &&
      Object.keys(wrong).length === 0 &&
      ['invalid', 'cancelled', 'superseded'].every((kind) => (refused[kind] ?? 0) > 0) &&
      reloads > 0 &&
      code === 0,
  });
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** One after the other, each of a kind drawn by turn. */
async function caller(
  client: EnergyClient,
  requests: RandomRequests,
  reference: readonly (readonly number[])[],
  tally: Tally,
  endMs: number,
): Promise<void> {
  const compare = (index: number, energies: readonly number[]): void => {
    const wanted = reference[index % GOOD]!;
    const same = energies.length === wanted.length && energies.every((each, i) => Object.is(each, wanted[i]));
    if (same) tally.identical++;
    else tally.different++;
  };
  /** What the call may end with besides an answer. */
  const settle = async (
    index: number,
    calling: Promise<{ readonly energies: readonly number[] }>,
    may: readonly string[],
  ): Promise<void> => {
    try {
      const { energies } = await calling;
      if (may[0] === 'invalid') count(tally.wrong, 'poison answered');
      else compare(index, energies);
    } catch (error) {
      const { kind } = toFault(error);
      count(may.includes(kind) || kind === 'exhausted' ? tally.refused : tally.wrong, kind);
    }
  };
  for (let turn = 0; performance.now() < endMs; turn++) {
    switch (turn % 4) {
      case 0:
        await settle(turn, client.score(requests.score(turn)), []);
        break;
      case 1:
        await settle(turn, client.score(poisoned(requests.score(turn), turn)), ['invalid']);
        break;
      case 2: {
        const abort = new AbortController();
        const timer = setTimeout(() => abort.abort(), 8 * Math.random());
        await settle(turn, client.score(requests.score(turn), { signal: abort.signal }), ['cancelled']);
        clearTimeout(timer);
        break;
      }
      default: {
        const stream = client.stream();
        const calls = [0, 1, 2].map((i) =>
          settle(turn + i, stream.score(requests.score(turn + i), { supersede: true }), ['superseded']),
        );
        await Promise.all(calls);
        stream.end();
      }
    }
  }
}

/** One value that is not a number, in the hidden states or in the candidates. */
function poisoned(
  request: Pick<ScoreActionsRequest, 'inline' | 'candidates'>,
  turn: number,
): ScoreActionsRequest {
  const patched = (
    data: Uint8Array | Buffer | string | undefined | null,
    bytes: readonly number[],
  ): Buffer => {
    const copy = Buffer.from(data as Buffer);
    copy.set(bytes, 0);
    return copy;
  };
  if (turn % 2 === 0) {
    const { candidates } = request;
    return { ...request, candidates: { ...candidates, data: patched(candidates?.data, [0, 0, 0xc0, 0x7f]) } };
  }
  const { inline } = request;
  const hidden = { ...inline?.hidden, data: patched(inline?.hidden?.data, [0xc0, 0x7f]) }; // bfloat16
  return { ...request, inline: { ...inline, hidden } };
}
