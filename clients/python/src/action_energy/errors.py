"""Errors of this package: each says which field is wrong, what was found, what was wanted and how to mend it."""

from __future__ import annotations

import re
from typing import Any, Callable, ClassVar, Dict, Optional, Tuple, Type

import grpc

from action_energy._proto import error_details_pb2, status_pb2


class EnergyError(Exception):
    """Any failure of a call, whether this package or the server found it.

    Attributes: `kind` (one word for logs and metrics); `summary`; `field`, `found`, `wanted`, `mend` where known (None
    otherwise); `retry_after` seconds that the server asks for; `request_id` under which the server's log has the call;
    `resource` what a `NotFound` is about (`context`, `model` or `decision`); `reason` why an `Overloaded` is one (`OVERLOADED`
    passes, `LIMIT_EXCEEDED` does not).
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self,
        summary: str,
        *,
        field: Optional[str] = None,
        found: Optional[str] = None,
        wanted: Optional[str] = None,
        mend: Optional[str] = None,
        retry_after: Optional[float] = None,
        request_id: Optional[str] = None,
        resource: Optional[str] = None,
        reason: Optional[str] = None,
    ) -> None:
        text = summary if field is None else f"{field}: {summary}"
        text += "" if found is None else f"; found {found}"
        text += "" if wanted is None else f"; wanted {wanted}"
        text += "" if mend is None else f". {mend}"
        super().__init__(text)
        self.summary = summary
        self.field = field
        self.found = found
        self.wanted = wanted
        self.mend = mend
        self.retry_after = retry_after
        self.request_id = request_id
        self.resource = resource
        self.reason = reason


class InvalidInput(EnergyError, ValueError):
    """The input is wrong: shape, dtype, value, mask, option. Sending it again will not help."""

    kind = "invalid"


class NotFound(EnergyError, LookupError):
    """An unknown model, or a kept context that the server has lost."""

    kind = "not_found"


class NotReady(EnergyError):
    """It exists but cannot do this now: a model that loads, no calibration."""

    kind = "not_ready"


class Overloaded(EnergyError):
    """The server's queue is full; `retry_after` says when to try again."""

    kind = "overloaded"


class DeadlineExceeded(EnergyError, TimeoutError):
    """The call's deadline passed, in the queue or on the way."""

    kind = "deadline"


class Cancelled(EnergyError):
    kind = "cancelled"


class Superseded(EnergyError):
    """A newer request of the same stream took this one's place."""

    kind = "superseded"


class Unavailable(EnergyError, ConnectionError):
    """No server answers there, or it is stopping."""

    kind = "unavailable"


class Unauthenticated(EnergyError, PermissionError):
    """The token is missing or unknown."""

    kind = "unauthenticated"


class PermissionDenied(EnergyError, PermissionError):
    """The token may not do this."""

    kind = "denied"


class Unsupported(EnergyError):
    """This server is older than the call."""

    kind = "unsupported"


class InternalError(EnergyError):
    """A fault of the server or of this package; the server's log has it under `request_id`."""

    kind = "internal"


_CODES: Dict[int, Type[EnergyError]] = {
    1: Cancelled,
    3: InvalidInput,
    4: DeadlineExceeded,
    5: NotFound,
    6: NotReady,
    7: PermissionDenied,
    8: Overloaded,
    9: NotReady,
    10: Superseded,
    11: InvalidInput,
    12: Unsupported,
    14: Unavailable,
    16: Unauthenticated,
}

# As src/errors.ts writes them: SUMMARY; found F; wanted W. MEND
_DESCRIPTION = re.compile(
    r"(?P<summary>.*?)(?:; found (?P<found>.*?))?(?:; wanted (?P<wanted>.*?))?(?:\. (?P<mend>[A-Z].*))?",
    re.DOTALL,
)


def error_of_status(
    code: int,
    message: str,
    details: Optional[status_pb2.Status] = None,
    *,
    retry_after: Optional[float] = None,
    request_id: Optional[str] = None,
) -> EnergyError:
    """The typed error of a gRPC status and its google.rpc details."""
    field: Optional[str] = None
    resource: Optional[str] = None
    reason: Optional[str] = None
    for detail in details.details if details is not None else ():
        if detail.type_url.endswith("/google.rpc.BadRequest"):
            violations = error_details_pb2.BadRequest.FromString(detail.value).field_violations
            if violations:
                field, message = violations[0].field, violations[0].description
        elif detail.type_url.endswith("/google.rpc.ResourceInfo"):
            resource = error_details_pb2.ResourceInfo.FromString(detail.value).resource_type
        elif detail.type_url.endswith("/google.rpc.ErrorInfo"):
            reason = error_details_pb2.ErrorInfo.FromString(detail.value).reason
        elif detail.type_url.endswith("/google.rpc.RetryInfo") and retry_after is None:
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after = delay.seconds + delay.nanos / 1e9
    match = _DESCRIPTION.fullmatch(message)
    parts = match.groupdict() if match is not None else {"summary": message}
    return _CODES.get(code, InternalError)(
        parts.pop("summary") or message,
        field=field,
        retry_after=retry_after,
        request_id=request_id,
        resource=resource,
        reason=reason,
        **parts,
    )


def error_of_rpc(error: grpc.RpcError, address: str = "") -> EnergyError:
    """The typed error of a failed gRPC call, sync or asyncio; the RpcError becomes its cause."""
    code = _value(error, "code", grpc.StatusCode.UNKNOWN)
    message = _value(error, "details", None) or code.name.lower()
    trailers = {key: value for key, value in _value(error, "trailing_metadata", None) or ()}
    number: int = code.value[0]
    if code is grpc.StatusCode.UNAVAILABLE and "request-id" not in trailers:
        revived: EnergyError = Unavailable(
            "no server answers there",
            field="address",
            found=f"{address}: {message}" if address else message,
            mend="Is it running, at this address, and do both sides use TLS or neither?",
        )
    else:
        revived = error_of_status(
            number,
            message,
            _details(trailers.get("grpc-status-details-bin")),
            retry_after=_pushback(trailers.get("grpc-retry-pushback-ms")),
            request_id=_text(trailers.get("request-id")),
        )
    revived.__cause__ = error
    return revived


def _value(error: Any, name: str, absent: Any) -> Any:
    method: Optional[Callable[[], Any]] = getattr(error, name, None)
    return absent if method is None else method()


def _text(value: Any) -> Optional[str]:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def _details(value: Any) -> Optional[status_pb2.Status]:
    if not isinstance(value, bytes):
        return None
    try:
        return status_pb2.Status.FromString(value)
    except Exception:  # another server's details: the message alone must do
        return None


def _pushback(value: Any) -> Optional[float]:
    """Seconds of `grpc-retry-pushback-ms`; None when absent, malformed or negative ("do not retry")."""
    text = _text(value)
    return int(text) / 1000 if text is not None and re.fullmatch(r"\d{1,9}", text) else None


def found_of(shape: Tuple[int, ...]) -> str:
    """`[2, 8, 7]`, as the server writes shapes."""
    return f"[{', '.join(map(str, shape))}]"
