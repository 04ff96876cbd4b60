/** While requests are refused, one line a minute says how many and why: a full log would be a second fault. */
import type { Logger } from 'pino';
import type { Clock } from '../batching/clock.js';
import type { Metrics } from './metrics.js';

const EVERY_MS = 60_000;

/** Begins to look; returns its cleanup. */
export function logRefusals(
  { rejections }: Pick<Metrics, 'rejections'>,
  log: Pick<Logger, 'info'>,
  clock: Clock,
): () => void {
  let before: ReadonlyMap<string, number> = new Map();
  let cancel = (): void => undefined;
  const look = async (): Promise<void> => {
    const now = new Map<string, number>();
    for (const { labels, value } of (await rejections.get()).values) {
      const reason = String(labels.reason);
      now.set(reason, (now.get(reason) ?? 0) + value);
    }
    const reasons = [...now].flatMap(([reason, count]) => {
      const fresh = count - (before.get(reason) ?? 0);
      return fresh > 0 ? [[reason, fresh] as const] : [];
    });
    before = now;
    if (reasons.length === 0) return;
    const refused = reasons.reduce((sum, [, count]) => sum + count, 0);
    const line = { refused, seconds: EVERY_MS / 1000, reasons: Object.fromEntries(reasons) };
    log.info(line, 'requests ended without a result');
  };
  const wait = (): void => {
    cancel = clock.setTimer(EVERY_MS, () => {
      wait();
      void look();
    });
  };
  wait();
  return () => cancel();
}
