/**
 * Which dict of a checkpoint is the state dict. The rule:
 * 1. The saved value is a dict. `key` (`a`, or `a.b` for two levels) names the state dict in it.
 * 2. Without `key`: exactly one of its keys `state_dict`, `model`, `model_state_dict`, `energy_model`, `module` holds a
 *    dict with tensors, or one such key one level below it; that dict is the state dict, and what lies beside it
 *    (optimizer, step, random states) is left out.
 * 3. Otherwise, if it holds tensors itself, it is the state dict.
 * 4. Within the state dict numbers, strings, None and harmless objects are left out; a list, tuple or dict beside the
 *    tensors is refused, as are tensors whose key is not a string.
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

export interface StateDictOptions {
  /** Where the state dict is, when the rule does not find it. */
  readonly key?: string;
  /** Told, in words, which tensors are left out. */
  readonly onLeftOut?: (what: string) => void;
}

const STATE_DICT_KEYS = ['state_dict', 'model', 'model_state_dict', 'energy_model', 'module'] as const;
/** Where a misplaced state dict is looked for. Not all of very many keys: they may share one very large dict. */
const MAX_KEYS_SEARCHED = 100;

function holdsTensors(value: PickleValue | undefined): value is PickleDict {
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

function namedTensors(field: string, dict: PickleDict): Map<string, TensorRef> {
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
        mend: 'Save the tensors under names of their own, or name their dict with --key.',
      });
    }
  }
  return tensors;
}

/** What `path` names: a key as it is, or keys joined by dots. */
function valueAt(dict: PickleDict, path: string): PickleValue | undefined {
  if (dict.entries.has(path)) return dict.entries.get(path);
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const inner = dict.entries.get(path.slice(0, dot));
    const found = inner instanceof PickleDict ? valueAt(inner, path.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Paths of the state dicts under a known key of `dict`, or of a dict in it. */
function knownPlaces(dict: PickleDict): string[] {
  const here = STATE_DICT_KEYS.filter((key) => holdsTensors(dict.entries.get(key)));
  if (here.length > 0) return here;
  const below: string[] = [];
  for (const [name, inner] of [...dict.entries].slice(0, MAX_KEYS_SEARCHED)) {
    if (typeof name !== 'string' || !(inner instanceof PickleDict)) continue;
    for (const key of STATE_DICT_KEYS) if (holdsTensors(inner.entries.get(key))) below.push(`${name}.${key}`);
  }
  return below;
}

/** The tensors of the state dict in `root`, by the rule above. Errors name the keys that were found. */
export function selectStateDict(
  field: string,
  root: PickleValue,
  { key, onLeftOut = () => undefined }: StateDictOptions = {},
): Map<string, TensorRef> {
  if (!(root instanceof PickleDict)) {
    throw invalid(field, 'not a dict of tensors', {
      found: typeName(root),
      wanted: 'a dict of tensors by name',
      mend: "Save it as one: torch.save({'name': tensor}, path).",
    });
  }
  const places = key === undefined ? knownPlaces(root) : [key];
  const [place] = places;
  if (place === undefined && holdsTensors(root)) return namedTensors(field, root);
  if (places.length > 1) {
    throw invalid(field, 'several state dicts', {
      found: places.join(', '),
      wanted: 'one',
      mend: 'Name the one of the energy model: --key KEY.',
    });
  }
  const dict = place === undefined ? undefined : valueAt(root, place);
  if (!holdsTensors(dict)) throw noStateDict(field, root, key);
  const beside = [...root.entries].filter(([, value]) => value instanceof TensorRef).map(([name]) => name);
  const parameters = beside.filter((name) => typeof name === 'string' && name.includes('.'));
  if (key === undefined && parameters.length > 0) {
    throw invalid(field, 'several state dicts', {
      found: `${describeKeys(parameters)} beside ${place}`,
      wanted: 'one',
      mend: `Name it: --key ${place}.`,
    });
  }
  if (beside.length > 0) onLeftOut(`${describeKeys(beside)}: not of the state dict ${place}`);
  return namedTensors(`${field}: ${place}`, dict);
}

function noStateDict(field: string, root: PickleDict, key: string | undefined): Error {
  const at = key === undefined ? undefined : valueAt(root, key);
  const searched = at instanceof PickleDict ? at : root;
  const entries = [...searched.entries].slice(0, MAX_KEYS_SEARCHED);
  const elsewhere = entries.filter(([, value]) => holdsTensors(value)).map(([name]) => name);
  return invalid(key === undefined ? field : '--key', 'no state dict found', {
    found:
      elsewhere.length > 0
        ? `tensors under ${describeKeys(elsewhere)}`
        : `${at === undefined || at instanceof PickleDict ? 'keys' : `${typeName(at)} under ${key}; keys`} ${describeKeys(searched.entries.keys())}`,
    wanted: `tensors at the top, or under one of ${STATE_DICT_KEYS.join(', ')}`,
    mend: 'Name the dict that holds them: --key KEY (a.b for two levels).',
  });
}
