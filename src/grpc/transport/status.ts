/**
 * The one table from faults to gRPC statuses. A client sees the summary, field, found, wanted and mend of an expected
 * fault; of an internal one it sees a fixed message with the request id, and the log has the rest.
 */
import { Metadata, status as Code } from '@grpc/grpc-js';
import type { Fault, FaultKind } from '../../errors.js';
import type { Any } from '../../generated/google/protobuf/Any.js';
import type { ResourceInfo } from '../../generated/google/rpc/ResourceInfo.js';
import type { Status } from '../../generated/google/rpc/Status.js';
import { contract } from '../../wire/contract.js';

const CODES: Readonly<Record<FaultKind, Code>> = {
  invalid: Code.INVALID_ARGUMENT,
  not_found: Code.NOT_FOUND,
  precondition: Code.FAILED_PRECONDITION,
  exhausted: Code.RESOURCE_EXHAUSTED,
  deadline: Code.DEADLINE_EXCEEDED,
  cancelled: Code.CANCELLED,
  superseded: Code.ABORTED,
  unavailable: Code.UNAVAILABLE,
  unauthenticated: Code.UNAUTHENTICATED,
  denied: Code.PERMISSION_DENIED,
  internal: Code.INTERNAL,
};

/** Of google.rpc.ErrorInfo. */
const DOMAIN = 'action-energy';

/** Statuses travel in HTTP/2 headers, which peers cap (8 KiB is usual); found values can be long. */
const MAX_TEXT = 500;

export function codeOf(kind: FaultKind): Code {
  return CODES[kind];
}

/** Clipped, and free of lone surrogates, which the percent-encoding of `grpc-message` cannot hold. */
function headerText(text: string): string {
  const clipped = text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 3)}...`;
  return Buffer.from(clipped, 'utf8').toString('utf8');
}

/** What a client may know of `fault`, as a google.rpc.Status message. */
export function publicStatus(fault: Fault, requestId: string): Status {
  if (fault.kind === 'internal') {
    return {
      code: Code.INTERNAL,
      message: `internal error; request ${requestId} in the server's log`,
      details: [],
    };
  }
  const details: Any[] = [];
  if (fault.kind === 'invalid' && fault.field !== undefined) {
    const prefix = `${fault.field}: `;
    const description = fault.message.startsWith(prefix) ? fault.message.slice(prefix.length) : fault.message;
    const violation = { field: headerText(fault.field), description: headerText(description) };
    details.push(
      pack('google.rpc.BadRequest', contract.badRequest.serialize({ fieldViolations: [violation] })),
    );
  }
  if (fault.retryAfterMs !== undefined) {
    const nanos = Math.round((fault.retryAfterMs % 1000) * 1e6);
    const retryDelay = { seconds: Math.floor(fault.retryAfterMs / 1000), nanos };
    details.push(pack('google.rpc.RetryInfo', contract.retryInfo.serialize({ retryDelay })));
  }
  if (fault.kind === 'not_found') {
    const resource = resourceOf(fault);
    details.push(pack('google.rpc.ResourceInfo', contract.resourceInfo.serialize(resource)));
  }
  if (fault.kind === 'exhausted') {
    // a bound that holds whenever it is tried, or load that passes
    const reason = fault.retryAfterMs === undefined ? 'LIMIT_EXCEEDED' : 'OVERLOADED';
    details.push(pack('google.rpc.ErrorInfo', contract.errorInfo.serialize({ reason, domain: DOMAIN })));
  }
  return { code: codeOf(fault.kind), message: headerText(fault.message), details };
}

/** A lost context is sent again; an unknown model is a mistake. */
function resourceOf({ field = '', found = '' }: Fault): ResourceInfo {
  const resourceType = field.endsWith('context_id')
    ? 'context'
    : field === 'request_id'
      ? 'decision'
      : 'model';
  return { resourceType, resourceName: headerText(found) };
}

function pack(type: string, value: Buffer): Any {
  return { type_url: `type.googleapis.com/${type}`, value };
}

export interface CallStatus {
  readonly code: Code;
  readonly details: string;
  readonly metadata: Metadata;
}

/** The status that ends a call: code, message, and the trailers `grpc-status-details-bin` and `grpc-retry-pushback-ms`. */
export function callStatus(fault: Fault, requestId: string): CallStatus {
  const status = publicStatus(fault, requestId);
  const metadata = new Metadata();
  metadata.set('request-id', requestId);
  if ((status.details?.length ?? 0) > 0) {
    metadata.set('grpc-status-details-bin', contract.status.serialize(status));
  }
  if (fault.retryAfterMs !== undefined) {
    metadata.set('grpc-retry-pushback-ms', String(Math.max(0, Math.ceil(fault.retryAfterMs))));
  }
  return { code: codeOf(fault.kind), details: status.message ?? '', metadata };
}
