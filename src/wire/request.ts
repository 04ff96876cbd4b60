/**
 * Request messages from their bytes. First the bytes are counted: how much the message would become, before anything is
 * decoded. Bytes and strings decode to views and cost nothing a byte, but every field and every element of a packed field
 * becomes a JavaScript value: 64 MiB can hold 30 million empty sub-messages, which take a minute to decode and more memory
 * than there is (https://protobuf.dev/programming-guides/encoding/).
 *
 * Then they are decoded, in two steps that gRPC takes for one. A message that does not parse must reach the handler (it
 * answers INVALID_ARGUMENT, and a stream lives on), where grpc-js would answer INTERNAL and end the call. And whether the
 * message's memory may be given away is only known where the bytes are.
 *
 * Of several fields of one `oneof` the last on the wire counts, as protobuf says; the decoder keeps all of them.
 */
import path from 'node:path';
import type { ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { Fault, invalid } from '../errors.js';
import { PROTO_FILES, PROTO_ROOT } from './contract.js';

export interface ValueBounds {
  /** Fields, those of sub-messages included. */
  readonly fields: number;
  /** Elements of packed fields. */
  readonly packed: number;
}

/** What the walk must know of a field: whether to go into it, how to count its elements, which fields it takes the place of. */
interface FieldPlan {
  readonly name: string;
  readonly repeated: boolean;
  readonly nested?: Plan;
  readonly element?: 'varint' | 4 | 8;
  readonly oneof?: { readonly name: string; readonly fields: readonly string[] };
}
type Plan = ReadonlyMap<number, FieldPlan>;

/** Where a message stands in the one that is decoded: a field of its parent, and which of them. */
interface Place {
  readonly parent: Place | undefined;
  readonly name: string;
  readonly index: number | undefined;
}

/** A oneof of which several fields were sent. */
interface Clash {
  readonly place: Place | undefined;
  readonly oneof: NonNullable<FieldPlan['oneof']>;
  readonly last: string;
}

const ELEMENT_BYTES: Readonly<Record<string, 4 | 8>> = {
  float: 4,
  fixed32: 4,
  sfixed32: 4,
  double: 8,
  fixed64: 8,
  sfixed64: 8,
};
/** Of a varint of 64 bits. */
const MOST_VARINT_BYTES = 10;

/** Errors: `invalid` beyond a bound. Returns what puts the message right that is decoded of these bytes. */
export type ValueCounter = (bytes: Uint8Array) => (message: object) => void;

/** Makes counters of the messages of the contract, by full name. */
export function valueCounters(): (type: string, bounds: ValueBounds) => ValueCounter {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => path.join(PROTO_ROOT, target);
  root.loadSync([...PROTO_FILES]).resolveAll();
  const plans = new Map<protobuf.Type, Plan>();
  return (type, bounds) => {
    const found = root.lookup(type);
    if (!(found instanceof protobuf.Type)) throw new Fault('internal', `no message ${type} in the contract`);
    const plan = planOf(found, plans);
    return (bytes) => {
      const walk = new Walk(bytes, bounds);
      walk.message(0, bytes.byteLength, plan, undefined);
      return (message) => {
        for (const clash of walk.clashes) keepLast(message, clash);
      };
    };
  };
}

function planOf(type: protobuf.Type, plans: Map<protobuf.Type, Plan>): Plan {
  const known = plans.get(type);
  if (known !== undefined) return known;
  const plan = new Map<number, FieldPlan>();
  plans.set(type, plan);
  for (const { id, name, type: scalar, repeated, resolvedType, partOf } of type.fieldsArray) {
    const packed = repeated && scalar !== 'bytes' && scalar !== 'string';
    plan.set(id, {
      name,
      repeated,
      ...(resolvedType instanceof protobuf.Type
        ? { nested: planOf(resolvedType, plans) }
        : packed && { element: ELEMENT_BYTES[scalar] ?? 'varint' }),
      ...(partOf && { oneof: { name: partOf.name, fields: partOf.oneof.map(camelCase) } }),
    });
  }
  return plan;
}

function camelCase(name: string): string {
  return protobuf.util.camelCase(name);
}

/** Takes out what the last field of the oneof has replaced. */
function keepLast(message: object, { place, oneof, last }: Clash): void {
  const places: Place[] = [];
  for (let each = place; each !== undefined; each = each.parent) places.unshift(each);
  let at: unknown = message;
  for (const { name, index } of places) {
    at = (at as Record<string, unknown> | undefined)?.[name];
    if (index !== undefined) at = (at as readonly unknown[] | undefined)?.[index];
  }
  const found = at as Record<string, unknown> | undefined;
  if (found?.[last] === undefined) return;
  for (const field of oneof.fields) if (field !== last) delete found[field];
  found[oneof.name] = last;
}

/** One message. What is malformed ends the walk: the decoder then says what is wrong with it. */
class Walk {
  readonly #bytes: Uint8Array;
  readonly #bounds: ValueBounds;
  readonly clashes: Clash[] = [];
  #at = 0;
  #fields = 0;
  #packed = 0;

  constructor(bytes: Uint8Array, bounds: ValueBounds) {
    this.#bytes = bytes;
    this.#bounds = bounds;
  }

  /** Errors: `invalid` beyond a bound. */
  message(start: number, end: number, plan: Plan, place: Place | undefined): void {
    this.#at = start;
    let lasts: Map<string, string> | undefined;
    let clashes: Map<string, Clash> | undefined;
    let counts: Map<number, number> | undefined;
    while (this.#at < end) {
      this.#count();
      const tag = this.#varint(end);
      const field = plan.get(tag >>> 3);
      if (field?.oneof !== undefined) {
        const { name, oneof } = field;
        lasts ??= new Map<string, string>();
        const before = lasts.get(oneof.name);
        if (before !== undefined && before !== name) {
          (clashes ??= new Map<string, Clash>()).set(oneof.name, { place, oneof, last: name });
        }
        lasts.set(oneof.name, name);
      }
      switch (tag & 7) {
        case 0:
          this.#varint(end);
          break;
        case 1:
          this.#at += 8;
          break;
        case 2: {
          const length = this.#varint(end);
          const from = this.#at;
          if (!(length <= end - from)) {
            this.#at = end;
            return;
          }
          if (field?.nested !== undefined) {
            let index: number | undefined;
            if (field.repeated) {
              counts ??= new Map<number, number>();
              index = counts.get(tag) ?? 0;
              counts.set(tag, index + 1);
            }
            this.message(from, from + length, field.nested, { parent: place, name: field.name, index });
          } else if (field?.element !== undefined) this.#elements(from, length, field.element);
          this.#at = from + length;
          break;
        }
        case 5:
          this.#at += 4;
          break;
        default: // groups count by their tags
      }
    }
    if (clashes !== undefined) this.clashes.push(...clashes.values());
  }

  #count(): void {
    if (++this.#fields <= this.#bounds.fields) return;
    throw invalid('request', 'too many fields in one message', {
      found: `more than ${this.#bounds.fields}`,
      wanted: `at most ${this.#bounds.fields}, those of sub-messages included`,
      mend: 'Split the request',
    });
  }

  #elements(from: number, length: number, element: 'varint' | 4 | 8): void {
    const least = Math.ceil(length / (element === 'varint' ? MOST_VARINT_BYTES : element));
    this.#packed += least;
    if (element === 'varint' && this.#packed <= this.#bounds.packed) {
      let count = 0;
      for (let i = from; i < from + length; i++) if (this.#bytes[i]! < 0x80) count++;
      this.#packed += Math.max(0, count - least);
    }
    if (this.#packed <= this.#bounds.packed) return;
    throw invalid('request', 'too many numbers in packed fields', {
      found: `more than ${this.#bounds.packed}`,
      wanted: `at most ${this.#bounds.packed}`,
      mend: 'Send numbers as a tensor, or split the request',
    });
  }

  /** Beyond 2^53 exactness does not matter: no length is that long. */
  #varint(end: number): number {
    let value = 0;
    let scale = 1;
    while (this.#at < end) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    return value;
  }
}

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
      /** The memory that the message's bytes are views of. */
      readonly memory: ArrayBufferLike;
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
    const message = parse(bytes);
    return { ok: true, message, move, memory: bytes.buffer, decodeMs: performance.now() - start };
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
  check: ValueCounter,
): ServiceDefinition[string] {
  const parse = (bytes: Buffer): unknown => {
    const putRight = check(bytes);
    const message = method.requestDeserialize(bytes) as object;
    putRight(message);
    return message;
  };
  return { ...method, requestDeserialize: (bytes: Buffer) => decodeRequest(parse, bytes) };
}
