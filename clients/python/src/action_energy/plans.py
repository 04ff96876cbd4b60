"""A call as a plan: a generator that says what to send and how long to wait, and is given what came back.

One text serves the blocking and the asyncio client, and tests without a network: whoever drives a plan decides how to send
and how to sleep.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any, Callable, Generator, Optional, TypeVar, Union

from action_energy.errors import DeadlineExceeded, EnergyError, Overloaded, Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """Send `payload` to the method `path` and give the answer's bytes back, or throw an `EnergyError` into the plan."""

    path: str
    payload: bytes
    timeout: Optional[float]
    affinity: Optional[str] = None
    """See `action_energy.affinity`."""


@dataclass(frozen=True)
class Pause:
    seconds: float


Plan = Generator[Union[Call, Pause], Any, T]


class Deadline:
    """One for all attempts of a call together. `seconds`: from now; None: none."""

    def __init__(self, seconds: Optional[float]) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    def remaining(self) -> Optional[float]:
        return None if self._at is None else self._at - time.monotonic()

    def check(self) -> Optional[float]:
        """Seconds that are left. Errors: `DeadlineExceeded` when none are."""
        left = self.remaining()
        if left is not None and left <= 0:
            raise DeadlineExceeded("the deadline passed before the request could be sent", field="deadline")
        return left


class Retries:
    """When to try again. Only calls that change nothing come here, so a second try harms nobody but a loaded server.

    - The server names a time (`grpc-retry-pushback-ms`): once to twice that time, so that those refused together do not
      come back together.
    - The connection broke: exponential backoff with full jitter from 50 ms.
    - Everything else, and whatever the deadline leaves no time for: not at all.
    - A budget (as gRPC's retry throttling): a retry costs 1 of 10 tokens, a success gives 0.1 back, so that under lasting
      overload at most about a tenth of the load is retries.
    """

    TOKENS = 10.0
    PER_SUCCESS = 0.1
    ATTEMPTS = 5
    BACKOFF = 0.05
    LONGEST_BACKOFF = 1.0

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._tokens = self.TOKENS

    def succeeded(self) -> None:
        self._tokens = min(self.TOKENS, self._tokens + self.PER_SUCCESS)

    def wait(self, error: EnergyError, attempt: int, left: Optional[float], resend: bool) -> Optional[float]:
        """Seconds until attempt `attempt` + 1, or None. `resend`: the request may be sent again though it may have arrived."""
        if attempt >= self.ATTEMPTS or self._tokens < 1:
            return None
        if isinstance(error, (Overloaded, Unavailable)) and error.retry_after is not None:
            seconds = error.retry_after * self._uniform(1, 2)
        elif isinstance(error, Unavailable) and resend:
            seconds = self._uniform(0, min(self.LONGEST_BACKOFF, self.BACKOFF * 2**attempt))
        else:
            return None
        if left is not None and seconds >= left:
            return None
        self._tokens -= 1
        return seconds


def retried(
    retries: Retries,
    path: str,
    payload: bytes,
    deadline: Deadline,
    *,
    resend: bool = True,
    affinity: Optional[str] = None,
) -> Plan[bytes]:
    attempt = 1
    while True:
        try:
            answer: bytes = yield Call(path, payload, deadline.check(), affinity)
        except EnergyError as error:
            seconds = retries.wait(error, attempt, deadline.remaining(), resend)
            if seconds is None:
                raise
        else:
            retries.succeeded()
            return answer
        yield Pause(seconds)
        attempt += 1
