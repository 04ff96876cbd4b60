/**
 * Which dict of a checkpoint is the state dict. The rule:
 * 1. The saved value is a dict. If it holds tensors itself, it is the state dict.
 * 2. Otherwise exactly one of its keys `state_dict`, `model`, `model_state_dict`, `energy_model` holds a dict with
 *    tensors; that dict is the state dict, and what lies beside it (optimizer, step) is left out.
 * 3. Within the state dict numbers, strings and None are left out; a list, tuple or dict beside the tensors is refused,
 *    as are tensors whose key is not a string.
 */
import { invalid } from '../errors.js';
import {
  PickleDict,
  PickleList,
  PickleTuple,
  TensorRef,
  typeName,
  type PickleValue,
} from './pickle-values.js';
import { checkName } from './shape.js';

export const STATE_DICT_KEYS = ['state_dict', 'model', 'model_state_dict', 'energy_model'] as const;
/** Where a misplaced state dict is looked for, to name it in the message. */
const MAX_KEYS_SEARCHED = 100;

function holdsTensors(value: PickleValue | undefined): boolean {
  if (!(value instanceof PickleDict)) return false;
  for (const item of value.entries.values()) if (item instanceof TensorRef) return true;
  return false;
}

function describeKeys(keys: Iterable<PickleValue>): string {
  const names = [...keys].map((key) => (typeof key === 'string' ? key.slice(0, 60) : typeName(key)));
  return names.length > 10
    ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`
    : names.join(', ');
}

function tensorsOf(field: string, dict: PickleDict): Map<string, TensorRef> {
  const tensors = new Map<string, TensorRef>();
  for (const [key, value] of dict.entries) {
    if (value instanceof TensorRef) {
      if (typeof key !== 'string') {
        throw invalid(field, 'a tensor has a key that is not a string', { found: typeName(key) });
      }
      checkName(field, key);
      tensors.set(key, value);
    } else if (value instanceof PickleDict || value instanceof PickleList || value instanceof PickleTuple) {
      throw invalid(field, 'a container stands beside the tensors', {
        found: `${describeKeys([key])}: ${typeName(value)}`,
        wanted: 'one dict of tensors by name',
        mend: 'Save the tensors under names of their own.',
      });
    }
  }
  return tensors;
}

/** The tensors of the state dict in `root`, by the rule above. Errors name the keys that were found. */
export function selectStateDict(field: string, root: PickleValue): Map<string, TensorRef> {
  if (!(root instanceof PickleDict)) {
    throw invalid(field, 'not a dict of tensors', {
      found: typeName(root),
      wanted: 'a dict of tensors by name',
      mend: "Save it as one: torch.save({'name': tensor}, path).",
    });
  }
  if (holdsTensors(root)) return tensorsOf(field, root);
  const found = STATE_DICT_KEYS.filter((key) => holdsTensors(root.entries.get(key)));
  const [key] = found;
  if (key === undefined) {
    // not all of very many keys: they may share one very large dict
    const entries = [...root.entries].slice(0, MAX_KEYS_SEARCHED);
    const elsewhere = entries.filter(([, value]) => holdsTensors(value)).map(([name]) => name);
    throw invalid(field, 'no state dict found', {
      found:
        elsewhere.length > 0
          ? `tensors under ${describeKeys(elsewhere)}`
          : `keys ${describeKeys(root.entries.keys())}`,
      wanted: `tensors at the top, or under one of ${STATE_DICT_KEYS.join(', ')}`,
      mend: 'Save that dict alone: torch.save(checkpoint[KEY], path).',
    });
  }
  if (found.length > 1) {
    throw invalid(field, 'several state dicts', {
      found: found.join(', '),
      wanted: 'one',
      mend: 'Save the one of the energy model alone: torch.save(checkpoint[KEY], path).',
    });
  }
  return tensorsOf(`${field}: ${key}`, root.entries.get(key) as PickleDict);
}
