/** A call's error as the fault that the server threw: the reverse of `src/grpc/transport/status.ts`. */
import { status as Code, Metadata, type ServiceError } from '@grpc/grpc-js';
import { Fault, type FaultKind } from '../errors.js';
import type { Status__Output } from '../generated/google/rpc/Status.js';
import { contract } from '../wire/contract.js';

const KINDS: Readonly<Partial<Record<Code, FaultKind>>> = {
  [Code.INVALID_ARGUMENT]: 'invalid',
  [Code.OUT_OF_RANGE]: 'invalid',
  [Code.UNIMPLEMENTED]: 'invalid',
  [Code.NOT_FOUND]: 'not_found',
  [Code.ALREADY_EXISTS]: 'precondition',
  [Code.FAILED_PRECONDITION]: 'precondition',
  [Code.RESOURCE_EXHAUSTED]: 'exhausted',
  [Code.DEADLINE_EXCEEDED]: 'deadline',
  [Code.CANCELLED]: 'cancelled',
  [Code.ABORTED]: 'superseded',
  [Code.UNAVAILABLE]: 'unavailable',
  [Code.UNAUTHENTICATED]: 'unauthenticated',
  [Code.PERMISSION_DENIED]: 'denied',
};

/**
 * How grpc-js tells of calls that went down with their connection. A server's HTTP/2 closes one on which too many calls are
 * cancelled (1000 at once, then 33 a second), and with it every other call there. Scoring changes nothing on the server, so
 * they are tried again on a new connection. So is one that a proxy resets because its server is gone (code 2,
 * INTERNAL_ERROR): our server never does that.
 */
const CONNECTION_CLOSED =
  /Session closed with error code|^Stream refused by server|NGHTTP2_REFUSED_STREAM|^Received RST_STREAM with code 2 /;
/**
 * A server on Node refuses a call beyond the bound of its connection by resetting it, unread. On Node 26 a client meets that
 * when it fills the bound and its calls end early, since the server counts a call a moment longer. grpc-js names the code or tells
 * of it in words, as the reset comes with an error of the stream or without.
 */
const TOO_MANY_CALLS = /NGHTTP2_ENHANCE_YOUR_CALM|^Bandwidth exhausted/;
const RECONNECT_MS = 20;

/** An error of a call: kind by its code, field from google.rpc.BadRequest, `retryAfterMs` from the pushback trailer. */
export function faultOfError(error: ServiceError): Fault {
  // grpc-js itself makes errors without metadata when a channel is closed
  const metadata = (error.metadata as Metadata | undefined) ?? new Metadata();
  if (error.code === Code.UNAVAILABLE && error.details.startsWith('No connection established')) {
    return new Fault('unavailable', 'no server answers there', {
      field: 'address',
      found: /connect \w+ \S*[^\s.]/.exec(error.details)?.[0] ?? error.details,
      mend: 'Is it running (npm start), on this address, and do both sides use TLS or neither?',
      cause: error,
    });
  }
  if (CONNECTION_CLOSED.test(error.details)) {
    return new Fault('unavailable', 'the server closed the connection', {
      retryAfterMs: RECONNECT_MS,
      cause: error,
    });
  }
  if (TOO_MANY_CALLS.test(error.details)) {
    return new Fault('exhausted', 'too many calls at once on this connection', {
      retryAfterMs: RECONNECT_MS,
      cause: error,
    });
  }
  const [details] = metadata.get('grpc-status-details-bin');
  return revive(error.code, error.details, violationOf(details), pushbackOf(metadata), error);
}

/** An error inside a stream's answer. */
export function faultOfStatus(status: Status__Output): Fault {
  const delay = status.details.flatMap((detail) =>
    'type_url' in detail && detail.type_url.endsWith('google.rpc.RetryInfo')
      ? [contract.retryInfo.deserialize(detail.value).retryDelay]
      : [],
  )[0];
  const retryAfterMs = delay ? Number(delay.seconds) * 1000 + delay.nanos / 1e6 : undefined;
  return revive(status.code, status.message, violationIn(status), retryAfterMs, undefined);
}

function revive(
  code: Code,
  message: string,
  violation: { readonly field: string; readonly description: string } | undefined,
  retryAfterMs: number | undefined,
  cause: unknown,
): Fault {
  return new Fault(KINDS[code] ?? 'internal', violation?.description ?? message, {
    ...(violation && { field: violation.field }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Milliseconds of `grpc-retry-pushback-ms`; undefined when absent, malformed or negative ("do not retry"). */
function pushbackOf(metadata: Metadata): number | undefined {
  const [text] = metadata.get('grpc-retry-pushback-ms');
  return typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function violationOf(details: string | Buffer | undefined): ReturnType<typeof violationIn> {
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    return violationIn(contract.status.deserialize(details));
  } catch {
    return undefined; // another server's details: the message alone must do
  }
}

function violationIn({ details }: Status__Output): { field: string; description: string } | undefined {
  for (const detail of details) {
    if (!('type_url' in detail) || !detail.type_url.endsWith('google.rpc.BadRequest')) continue;
    return contract.badRequest.deserialize(detail.value).fieldViolations[0];
  }
  return undefined;
}
