/**
 * What the known globals do when a pickle "calls" them. Nothing is executed: each call is a check of its arguments and
 * one plain value.
 */
import { invalid, type Fault } from '../errors.js';
import {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleOpaque,
  PickleTuple,
  StorageRef,
  TensorRef,
  typeName,
  type PickleValue,
} from './pickle-values.js';
import { MAX_RANK } from './shape.js';

/** Keys are decimal numbers. */
const MAX_KEY_LENGTH = 40;

function wrongArguments(field: string, name: string, args: readonly PickleValue[]): Fault {
  return invalid(field, `unexpected arguments of ${name}`, {
    found: args.slice(0, 10).map(typeName).join(', '),
  });
}

/** A tuple (or `torch.Size`) of non-negative integers. */
function sizes(value: PickleValue | undefined): readonly number[] | undefined {
  if (!(value instanceof PickleTuple) || value.items.length > MAX_RANK) return undefined;
  const ok = value.items.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0);
  return ok ? (value.items as readonly number[]) : undefined;
}

function isEmptyDict(value: PickleValue | undefined): boolean {
  return value === undefined || value === null || (value instanceof PickleDict && value.entries.size === 0);
}

/** `(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])`. */
function rebuildTensor(field: string, args: readonly PickleValue[]): TensorRef {
  const [storage, offset, shape, strides] = [args[0], args[1], sizes(args[2]), sizes(args[3])];
  if (
    args.length < 6 ||
    args.length > 7 ||
    !(storage instanceof StorageRef) ||
    typeof offset !== 'number' ||
    !Number.isSafeInteger(offset) ||
    offset < 0 ||
    shape?.length !== strides?.length ||
    shape === undefined ||
    strides === undefined
  ) {
    throw wrongArguments(field, 'torch._utils._rebuild_tensor_v2', args);
  }
  // it may say that the stored values are to be negated or conjugated
  if (!isEmptyDict(args[6])) {
    throw invalid(field, 'tensor with metadata', { mend: 'Save it again after .resolve_neg().clone().' });
  }
  return new TensorRef(storage, offset, shape, strides);
}

/** What stands for an object of a harmless class; its arguments are dropped, but containers can still be filled. */
export function harmless(name: string): PickleValue {
  if (name === 'collections.defaultdict' || /^(__builtin__|builtins)\.dict$/.test(name))
    return new PickleDict();
  if (/^(__builtin__|builtins)\.list$/.test(name)) return new PickleList();
  return new PickleOpaque(name);
}

/** The value of `callable(*args)`. Errors name `field` and the callable: not callable, arguments of another kind. */
export function callKnown(field: string, callable: PickleValue, args: PickleValue): PickleValue {
  if (
    !(callable instanceof PickleGlobal) ||
    (typeof callable.name !== 'string' && 'storage' in callable.name)
  ) {
    throw invalid(field, 'a pickle calls what cannot be called', { found: typeName(callable) });
  }
  if (typeof callable.name !== 'string') return harmless(callable.name.harmless);
  if (!(args instanceof PickleTuple)) throw wrongArguments(field, callable.name, [args]);
  const items = args.items;
  const [first] = items;
  switch (callable.name) {
    case 'torch._utils._rebuild_tensor_v2':
      return rebuildTensor(field, items);
    case 'torch._utils._rebuild_parameter':
      if (first instanceof TensorRef && items.length === 3) return first;
      break;
    case 'collections.OrderedDict':
      // the items follow by SETITEMS; a list of them here could be copied over and over from the memo
      if (items.length === 0) return new PickleDict();
      break;
    case 'torch.Size':
      if (first instanceof PickleTuple && items.length === 1) return first;
      break;
    case '_codecs.encode':
      // bytes stay the text that they were written as: no tensor needs them, and encoding would copy them
      if (typeof first === 'string' && items.length === 2 && items[1] === 'latin1') return first;
      break;
    case '__builtin__.bytes':
      if (items.length === 0) return new Uint8Array();
      break;
  }
  throw wrongArguments(field, callable.name, items);
}

/**
 * The storage of a persistent id `('storage', type, key, location, elements)`; files of before PyTorch 1.6 have a sixth
 * part, None but for views. Errors name `field`.
 */
export function storageOf(field: string, id: PickleValue): StorageRef {
  const items = id instanceof PickleTuple ? id.items : [];
  const [kind, type, key, , elements, view = null] = items;
  if (
    (items.length !== 5 && items.length !== 6) ||
    view !== null ||
    kind !== 'storage' ||
    !(type instanceof PickleGlobal) ||
    typeof type.name === 'string' ||
    !('storage' in type.name) ||
    typeof key !== 'string' ||
    key.length > MAX_KEY_LENGTH ||
    typeof elements !== 'number' ||
    !Number.isSafeInteger(elements) ||
    elements < 0
  ) {
    throw invalid(field, 'persistent id is not a torch storage', {
      found: id instanceof PickleTuple ? items.slice(0, 10).map(typeName).join(', ') : typeName(id),
      wanted: "('storage', storage type, key, location, element count)",
    });
  }
  return new StorageRef(key, type.name.storage, elements);
}
