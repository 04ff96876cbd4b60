/** The id by which a client's error and the server's log find each other. */
import { randomBytes } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';

const HEADER = 'x-request-id';
const WELL_FORMED = /^[A-Za-z0-9._:-]{1,64}$/;

/** The client's own `x-request-id` when it is well-formed, else a new one, which the metadata then holds. */
export function requestIdOf(metadata: Metadata): string {
  const [given] = metadata.get(HEADER);
  if (typeof given === 'string' && WELL_FORMED.test(given)) return given;
  const made = randomBytes(8).toString('hex');
  metadata.set(HEADER, made);
  return made;
}
