/**
 * A restricted reader of Python pickles (protocols 2 to 5, as `torch.save` writes them): a stack machine that builds
 * plain data and containers and executes nothing. Objects of harmless classes are left out; a global that is not on the
 * lists of `pickle-values.ts` is refused by name where it is mentioned, called or not. Opcodes: Python's
 * `Lib/pickletools.py`.
 */
import { invalid, type Fault } from '../errors.js';
import { callKnown, harmless, storageOf } from './pickle-calls.js';
import { PickleCursor } from './pickle-cursor.js';
import { PickleStack } from './pickle-stack.js';
import {
  knownGlobal,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleOpaque,
  PickleTuple,
  StorageRef,
  typeName,
  type PickleValue,
} from './pickle-values.js';

/** A state dict takes about 25 operations a tensor; each may make one small object. */
const MAX_OPERATIONS = 1_000_000;
export const MAX_PICKLE_BYTES = 32 * 1024 ** 2;
const MIN_PROTOCOL = 2;
const MAX_PROTOCOL = 5;
const STOP = 0x2e;

const RESAVE = 'Save tensors alone: torch.save(model.state_dict(), path).';

class PickleMachine {
  readonly #field: string;
  readonly #cursor: PickleCursor;
  readonly #stack = new PickleStack((summary) => this.#refused(summary));
  readonly #memo = new Map<number, PickleValue>();
  readonly #storages: StorageRef[] = [];

  constructor(field: string, bytes: Uint8Array) {
    this.#field = field;
    this.#cursor = new PickleCursor(field, bytes);
  }

  run(): Pickled {
    if (this.#cursor.uint8() !== 0x80) throw this.#refused('pickle without a protocol number');
    this.#protocol();
    for (let operations = 0; operations < MAX_OPERATIONS; operations++) {
      const opcode = this.#cursor.uint8();
      if (opcode === STOP) {
        return { value: this.#stack.pop(), byteLength: this.#cursor.position, storages: this.#storages };
      }
      this.#execute(opcode);
    }
    throw this.#refused('pickle too long', { wanted: `at most ${MAX_OPERATIONS} operations` });
  }

  #refused(summary: string, detail: { found?: string; wanted?: string; mend?: string } = {}): Fault {
    return invalid(this.#field, `${summary} (before byte ${this.#cursor.position})`, detail);
  }

  #protocol(): void {
    const protocol = this.#cursor.uint8();
    if (protocol < MIN_PROTOCOL || protocol > MAX_PROTOCOL) {
      throw this.#refused('unsupported pickle protocol', {
        found: String(protocol),
        wanted: `${MIN_PROTOCOL} to ${MAX_PROTOCOL}`,
      });
    }
  }

  #append(items: readonly PickleValue[]): void {
    const list = this.#stack.top();
    if (list instanceof PickleOpaque) return;
    if (!(list instanceof PickleList))
      throw this.#refused('pickle appends to what is not a list', { found: typeName(list) });
    for (const item of items) list.items.push(item);
  }

  #setItems(items: readonly PickleValue[]): void {
    const dict = this.#stack.top();
    if (dict instanceof PickleOpaque) return;
    if (!(dict instanceof PickleDict))
      throw this.#refused('pickle sets items of what is not a dict', { found: typeName(dict) });
    if (items.length % 2 !== 0) throw this.#refused('pickle sets a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.entries.set(items[i]!, items[i + 1]!);
  }

  /** Attributes are left out; they are allowed on a state dict (`_metadata`) and on what is left out itself. */
  #build(): void {
    const state = this.#stack.pop();
    const target = this.#stack.top();
    if (target instanceof PickleOpaque) return;
    if (!(target instanceof PickleDict) || !(state instanceof PickleDict)) {
      throw this.#refused('pickle sets the state of an object', { found: typeName(target), mend: RESAVE });
    }
  }

  /** `cls.__new__(cls, *args)` of a harmless class. */
  #newObject(): void {
    this.#stack.pop(); // arguments
    const cls = this.#stack.pop();
    if (!(cls instanceof PickleGlobal) || typeof cls.name === 'string' || !('harmless' in cls.name)) {
      throw this.#refused('pickle makes an object', { found: typeName(cls), mend: RESAVE });
    }
    this.#stack.push(harmless(cls.name.harmless));
  }

  #storage(id: PickleValue): void {
    const storage = storageOf(this.#field, id);
    this.#storages.push(storage);
    this.#stack.push(storage);
  }

  #global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.#refused('pickle names a global by no string');
    const dotted = `${module}.${name}`.slice(0, 200);
    const global = knownGlobal(dotted);
    if (!global) {
      throw invalid(
        this.#field,
        'pickle refers to a global that is not a tensor or container; it was not executed',
        {
          found: dotted,
          wanted: 'tensors, plain data, and settings such as Namespace, Path or numpy scalars',
          mend: RESAVE,
        },
      );
    }
    this.#stack.push(global);
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined)
      throw this.#refused('pickle recalls what it has not stored', { found: `memo ${index}` });
    this.#stack.push(value);
  }

  #execute(opcode: number): void {
    const cursor = this.#cursor;
    const stack = this.#stack;
    switch (opcode) {
      case 0x80: // PROTO
        return this.#protocol();
      case 0x95: // FRAME: its length only helps readers of streams
        cursor.uint64();
        return;
      case 0x28: // MARK
        stack.mark();
        return;
      case 0x30: // POP
        stack.pop();
        return;
      case 0x31: // POP_MARK
        stack.popMark();
        return;
      case 0x32: // DUP
        return stack.push(stack.top());
      case 0x4e: // NONE
        return stack.push(null);
      case 0x88: // NEWTRUE
        return stack.push(true);
      case 0x89: // NEWFALSE
        return stack.push(false);
      case 0x4a: // BININT
        return stack.push(cursor.int32());
      case 0x4b: // BININT1
        return stack.push(cursor.uint8());
      case 0x4d: // BININT2
        return stack.push(cursor.uint16());
      case 0x8a: // LONG1
        return stack.push(cursor.integer(cursor.uint8()));
      case 0x8b: // LONG4
        return stack.push(cursor.integer(cursor.uint32()));
      case 0x47: // BINFLOAT
        return stack.push(cursor.float64());
      case 0x8c: // SHORT_BINUNICODE
        return stack.push(cursor.text(cursor.uint8()));
      case 0x58: // BINUNICODE
        return stack.push(cursor.text(cursor.uint32()));
      case 0x8d: // BINUNICODE8
        return stack.push(cursor.text(cursor.uint64()));
      case 0x43: // SHORT_BINBYTES
        return stack.push(cursor.bytes(cursor.uint8()));
      case 0x42: // BINBYTES
        return stack.push(cursor.bytes(cursor.uint32()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return stack.push(cursor.bytes(cursor.uint64()));
      case 0x29: // EMPTY_TUPLE
        return stack.push(new PickleTuple(stack.popLast(0)));
      case 0x85: // TUPLE1
        return stack.push(new PickleTuple(stack.popLast(1)));
      case 0x86: // TUPLE2
        return stack.push(new PickleTuple(stack.popLast(2)));
      case 0x87: // TUPLE3
        return stack.push(new PickleTuple(stack.popLast(3)));
      case 0x74: // TUPLE
        return stack.push(new PickleTuple(stack.popMark()));
      case 0x5d: // EMPTY_LIST
        return stack.push(new PickleList());
      case 0x61: // APPEND
        return this.#append([stack.pop()]);
      case 0x65: // APPENDS
        return this.#append(stack.popMark());
      case 0x7d: // EMPTY_DICT
        return stack.push(new PickleDict());
      case 0x73: {
        // SETITEM
        const value = stack.pop();
        return this.#setItems([stack.pop(), value]);
      }
      case 0x75: // SETITEMS
        return this.#setItems(stack.popMark());
      case 0x63: {
        // GLOBAL
        const module = cursor.line();
        return this.#global(module, cursor.line());
      }
      case 0x69: {
        // INST: a global and a call in one, of protocol 0; read so that the global is named
        const module = cursor.line();
        this.#global(module, cursor.line());
        throw this.#refused('unsupported pickle opcode', { found: 'INST' });
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = stack.pop();
        return this.#global(stack.pop(), name);
      }
      case 0x52: {
        // REDUCE
        const args = stack.pop();
        return stack.push(callKnown(this.#field, stack.pop(), args));
      }
      case 0x62: // BUILD
        return this.#build();
      case 0x51: // BINPERSID
        return this.#storage(stack.pop());
      case 0x81: // NEWOBJ
        return this.#newObject();
      case 0x92: // NEWOBJ_EX
        stack.pop(); // keyword arguments
        return this.#newObject();
      case 0x8f: // EMPTY_SET
        return stack.push(new PickleOpaque('builtins.set'));
      case 0x90: // ADDITEMS
        this.#append(stack.popMark());
        return;
      case 0x91: // FROZENSET
        stack.popMark();
        return stack.push(new PickleOpaque('builtins.frozenset'));
      case 0x71: // BINPUT
        this.#memo.set(cursor.uint8(), stack.top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(cursor.uint32(), stack.top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, stack.top());
        return;
      case 0x68: // BINGET
        return this.#recall(cursor.uint8());
      case 0x6a: // LONG_BINGET
        return this.#recall(cursor.uint32());
      default:
        throw this.#refused('unsupported pickle opcode', {
          found: `0x${opcode.toString(16).padStart(2, '0')}`,
          mend: RESAVE,
        });
    }
  }
}

export interface Pickled {
  readonly value: PickleValue;
  /** Bytes up to the end of the pickle; more may follow. */
  readonly byteLength: number;
  /** Every storage that it mentions, in order, also those of values that are left out. */
  readonly storages: readonly StorageRef[];
}

/**
 * What a pickle says. The value may contain itself: whoever walks it must not recurse without a bound. Errors name `field`:
 * an unknown global (named), an unsupported opcode or protocol, a stack or memo out of order, a truncated pickle.
 */
export function readPickle(field: string, bytes: Uint8Array): Pickled {
  if (bytes.byteLength > MAX_PICKLE_BYTES) {
    throw invalid(field, 'pickle too large', {
      found: `${bytes.byteLength} bytes`,
      wanted: `at most ${MAX_PICKLE_BYTES} bytes`,
    });
  }
  return new PickleMachine(field, bytes).run();
}
