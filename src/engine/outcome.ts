/** What becomes of one item of a batch: its value, or the fault that ended it alone. Plain data, which crosses threads. */
import { Fault, plainFault, revivedFault, type PlainFault } from '../errors.js';

export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: PlainFault };

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function failed(fault: Fault): { readonly ok: false; readonly fault: PlainFault } {
  return { ok: false, fault: plainFault(fault) };
}

/** The value. Errors: the item's fault, its field led by `where`. */
export function valueOf<T>(outcome: Outcome<T>, where?: string): T {
  if (outcome.ok) return outcome.value;
  const { field } = outcome.fault;
  if (where === undefined) throw revivedFault(outcome.fault);
  throw revivedFault({ ...outcome.fault, field: field === undefined ? where : `${where}: ${field}` });
}
