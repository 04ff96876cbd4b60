/** What becomes of one item of a batch: its value, or the fault that ended it alone. */
import { Fault } from '../errors.js';

export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function failed(fault: Fault): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault };
}

/** The value. Errors: the item's fault, its field led by `where`. */
export function valueOf<T>(outcome: Outcome<T>, where: string): T {
  if (outcome.ok) return outcome.value;
  const { kind, summary, field, found, wanted, mend } = outcome.fault;
  throw new Fault(kind, summary, {
    field: field === undefined ? where : `${where}: ${field}`,
    ...(found === undefined ? {} : { found }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(mend === undefined ? {} : { mend }),
    cause: outcome.fault,
  });
}
