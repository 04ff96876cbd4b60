/** What the transport must know of a method before it reads a message; `src/grpc/methods.ts` is the table of them. */
import type { Permission } from '../../serving/token-store.js';

export interface MethodRule {
  /** What a token must permit; `any`: any token; `none`: no token at all. */
  readonly permission: Permission | 'any' | 'none';
  /** Its one message becomes one work in a model's queue: it is refused on its headers when no queue has room. */
  readonly queued: boolean;
}

/** By path, `/package.Service/Method`. */
export type MethodRules = (path: string) => MethodRule;

/** The last part of a path, as logs name a method. */
export function methodName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
