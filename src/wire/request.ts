/**
 * Decoding of request messages in two steps that gRPC takes for one. A message that does not parse must reach the
 * handler (it answers INVALID_ARGUMENT, and a stream lives on), where grpc-js would answer INTERNAL and end the call. And
 * whether the message's memory may be given away is only known where the bytes are.
 */
import type { ServiceDefinition } from '@grpc/grpc-js';
import { Fault } from '../errors.js';

/** Bytes of gRPC's length prefix, which stay in front of the message in memory. */
const FRAME_PREFIX_BYTES = 5;

export type Decoded<T> =
  | {
      readonly ok: true;
      readonly message: T;
      /**
       * True when the ArrayBuffer behind the message's bytes may be moved to another thread: it holds this message and
       * nothing else. Never true for small messages, whose memory is pooled.
       */
      readonly move: boolean;
      readonly decodeMs: number;
    }
  | { readonly ok: false; readonly fault: Fault };

/** What a handler gets of a request that parsed. */
export type Parsed<T> = Extract<Decoded<T>, { ok: true }>;

function holdsOnly(bytes: Uint8Array): boolean {
  return (
    bytes.byteOffset <= FRAME_PREFIX_BYTES && bytes.byteOffset + bytes.byteLength === bytes.buffer.byteLength
  );
}

/** Never throws: a message that does not parse is a value, and so is one that `parse` refuses with a fault. */
export function decodeRequest<T>(parse: (bytes: Buffer) => T, bytes: Buffer): Decoded<T> {
  const move = holdsOnly(bytes);
  const start = performance.now();
  try {
    return { ok: true, message: parse(bytes), move, decodeMs: performance.now() - start };
  } catch (cause) {
    if (cause instanceof Fault) return { ok: false, fault: cause };
    const fault = new Fault('invalid', 'the message does not parse as protobuf', {
      field: 'request',
      found: `${bytes.byteLength} bytes that do not parse`,
      wanted: 'a message as in proto/action_energy/v1',
      cause,
    });
    return { ok: false, fault };
  }
}

/** The method handing its handler a `Decoded` in place of the message. `check` may refuse the bytes with a fault. */
export function withDecodedRequest(
  method: ServiceDefinition[string],
  check: (bytes: Buffer) => void,
): ServiceDefinition[string] {
  const parse = (bytes: Buffer): unknown => {
    check(bytes);
    return method.requestDeserialize(bytes);
  };
  return { ...method, requestDeserialize: (bytes: Buffer) => decodeRequest(parse, bytes) };
}
