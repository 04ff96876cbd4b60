/** What the transport must know of a method before it reads a message; `src/grpc/methods.ts` is the table of them. */
import type { Permission } from '../../serving/token-store.js';

export interface MethodRule {
  /** What a token must permit; `any`: any token; `none`: no token at all. */
  readonly permission: Permission | 'any' | 'none';
  /** Its one message becomes one work in a model's queue: it is refused on its headers when no queue has room. */
  readonly queued: boolean;
  /** What its messages hold: `tensors`, up to `limits.messageBytes`; or a few `names`, up to 64 KiB. */
  readonly takes: 'tensors' | 'names';
}

/** By path, `/package.Service/Method`. */
export type MethodRules = (path: string) => MethodRule;

/** The longest message of names: a model, a context's id, a health check, a reflection query. */
const NAMES_BYTES = 64 * 1024;

export function bytesOf({ takes }: MethodRule, messageBytes: number): number {
  return takes === 'tensors' ? messageBytes : Math.min(NAMES_BYTES, messageBytes);
}

/** The last part of a path, as logs name a method. */
export function methodName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
