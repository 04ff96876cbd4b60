/** Pickles written opcode by opcode, honest or hostile. Opcodes: Python's `Lib/pickletools.py`. */

export type Op = Uint8Array;

function op(code: string, ...rest: (Uint8Array | number[])[]): Op {
  return Buffer.concat([Buffer.from(code, 'latin1'), ...rest.map((part) => Buffer.from(part))]);
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export const MARK = op('(');
export const STOP = op('.');
export const EMPTY_TUPLE = op(')');
export const EMPTY_DICT = op('}');
export const EMPTY_LIST = op(']');
export const NONE = op('N');
export const FALSE = op('\x89');
export const REDUCE = op('R');
export const BUILD = op('b');
export const PERSISTENT_ID = op('Q');
export const APPEND = op('a');
export const SETITEM = op('s');
export const POP = op('0');
export const DUP = op('2');
export const TUPLE1 = op('\x85');
export const STACK_GLOBAL = op('\x93');

export const protocol = (version: number): Op => op('\x80', [version]);
export const text = (value: string): Op => {
  const bytes = Buffer.from(value, 'utf8');
  return op('X', u32(bytes.length), bytes);
};
/** A string opcode that announces `length` bytes and brings none. */
export const textOfLength = (length: number): Op => op('X', u32(length));
/** The same with eight bytes of length. */
export const textOfLength8 = (low: number, high: number): Op => op('\x8d', u32(low), u32(high));
export const int = (value: number): Op => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return op('J', bytes);
};
/** Two's complement, eight bytes. */
export const long = (value: bigint): Op => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return op('\x8a', [8], bytes);
};
export const longOfLength = (length: number): Op => op('\x8b', u32(length));
export const global = (module: string, name: string): Op => op('c', Buffer.from(`${module}\n${name}\n`));
export const inst = (module: string, name: string): Op => op('i', Buffer.from(`${module}\n${name}\n`));
export const put = (index: number): Op => op('r', u32(index));
export const get = (index: number): Op => op('j', u32(index));
export const raw = (...bytes: number[]): Op => op('', bytes);

export const tuple = (...items: Op[]): Op => Buffer.concat([MARK, ...items, op('t')]);
export const list = (...items: Op[]): Op => Buffer.concat([EMPTY_LIST, MARK, ...items, op('e')]);
export const dict = (entries: Readonly<Record<string, Op>>): Op =>
  Buffer.concat([
    EMPTY_DICT,
    MARK,
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
    op('u'),
  ]);
export const call = (callable: Op, ...args: Op[]): Op => Buffer.concat([callable, tuple(...args), REDUCE]);
export const orderedDict = (entries: Readonly<Record<string, Op>>): Op =>
  Buffer.concat([
    call(global('collections', 'OrderedDict')),
    MARK,
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
    op('u'),
  ]);

/** A whole pickle of protocol 2. */
export const pickle = (...ops: Op[]): Uint8Array => Buffer.concat([protocol(2), ...ops, STOP]);
