import { randomBytes } from 'node:crypto';

/** 128 random bits in hex: nobody guesses another client's context. */
export function randomContextId(): string {
  return randomBytes(16).toString('hex');
}
