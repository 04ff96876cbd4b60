/** The next message of a stream whose client may fall silent: it holds a place that others want. */
import { systemClock } from '../../batching/clock.js';
import { Fault } from '../../errors.js';

export interface Silence {
  readonly idleMs: number;
  /** The flag that sets it. */
  readonly flag: string;
  readonly mend: string;
}

/** The messages, each of which may be waited for so long. Errors of `next`: `deadline`. */
export function withinIdle<T>(
  messages: AsyncIterable<T>,
  { idleMs, flag, mend }: Silence,
): Pick<AsyncIterator<T>, 'next'> {
  const stream = messages[Symbol.asyncIterator]();
  return {
    async next() {
      let cancel = (): void => undefined;
      const silence = new Promise<never>((_resolve, reject) => {
        cancel = systemClock.setTimer(idleMs, () =>
          reject(
            new Fault('deadline', 'the stream was silent for too long', {
              field: 'part',
              wanted: `a message within ${idleMs} ms (${flag})`,
              mend,
            }),
          ),
        );
      });
      try {
        return await Promise.race([stream.next(), silence]);
      } finally {
        cancel();
      }
    },
  };
}
