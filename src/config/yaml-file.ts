/** Settings and tokens from YAML files: small, regular, without aliases. */
import { parseDocument, visit } from 'yaml';
import { invalid, toFault } from '../errors.js';
import { readTextSync } from '../weights/file.js';

/** Nobody writes a megabyte of settings. */
const MAX_BYTES = 1024 ** 2;

/**
 * The values of a file; null when it holds none. Aliases are refused: one that refers to what it stands in never ends, and a few
 * of aliases make gigabytes. `secret`: nothing of the text is quoted in an error. Errors: `not_found`, `precondition`, `invalid`,
 * naming the file.
 */
export function readYaml(file: string, { secret = false }: { readonly secret?: boolean } = {}): unknown {
  const document = parseDocument(readTextSync(file, MAX_BYTES), { prettyErrors: !secret });
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw invalid(file, 'not YAML', { found: secret ? problem.code : problem.message.trim() });
  }
  visit(document, {
    Alias(_key, { source, range }) {
      throw invalid(file, 'aliases are not taken', {
        found: secret ? 'an alias' : `*${source} at character ${range?.[0] ?? 0}`,
        mend: 'Write the value where it is wanted',
      });
    },
  });
  try {
    return document.toJS() as unknown;
  } catch (error) {
    throw invalid(file, 'not YAML', { found: secret ? 'what has no value' : toFault(error).message });
  }
}
