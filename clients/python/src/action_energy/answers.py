"""What a stream has sent and heard: pure bookkeeping for both kinds of stream."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, List, Optional, Sequence

from action_energy import results
from action_energy._proto import energy_pb2
from action_energy.contexts import ContextHandle
from action_energy.errors import EnergyError, NotFound, Superseded, error_of_status
from action_energy.requests import Part, ScoreRequest, joined, nested


@dataclass(frozen=True)
class StreamAnswer:
    """`ranking`, or why there is none."""

    request_id: int
    submitted_at: float
    """On `time.monotonic()`."""
    ranking: Optional[results.Ranking] = None
    error: Optional[EnergyError] = None

    @property
    def age(self) -> float:
        """Seconds since it was asked for: how old the observation is."""
        return time.monotonic() - self.submitted_at


@dataclass(frozen=True)
class Asked:
    request_id: int
    submitted_at: float
    supersede: bool
    payload: bytes
    context: Optional[ContextHandle]
    context_id: Optional[str]
    """The id that the request names, if it does."""


class Answers:
    """Requests that wait to be written, those under way, and the newest answer. Not thread-safe: the streams lock."""

    def __init__(self) -> None:
        self._next_id = 1
        self.unsent: Deque[Asked] = deque()
        self.under_way: Dict[int, Asked] = {}
        self.newest: Optional[StreamAnswer] = None
        """Of the latest request that has been answered with a ranking."""
        self.error: Optional[EnergyError] = None
        """Of the latest failure, None after a success."""

    def ask(
        self,
        parts: Sequence[Part],
        request: ScoreRequest,
        model: str,
        context: Optional[ContextHandle],
        supersede: bool,
        timeout_ms: int,
    ) -> int:
        """Queues a request. One that may be superseded takes the place of earlier ones that were not even written yet."""
        request_id = self._next_id
        self._next_id += 1
        context_id = None if context is None else context.id
        lease = context.lease_ms if context is not None and context_id is None else None
        body = request.body(model, context_id, lease)
        inline = [] if context_id is not None else nested(2, parts)
        rest = energy_pb2.ScoreActionsStreamRequest(
            request_id=request_id, supersede=supersede, timeout_ms=timeout_ms
        ).SerializeToString()
        payload = joined([*nested(2, [*inline, body]), rest])
        asked = Asked(request_id, time.monotonic(), supersede, payload, context, context_id)
        if supersede:
            self.unsent = deque(waiting for waiting in self.unsent if not waiting.supersede)
        self.unsent.append(asked)
        return request_id

    def take(self) -> bytes:
        """The next request to write."""
        asked = self.unsent.popleft()
        self.under_way[asked.request_id] = asked
        return asked.payload

    def settle(self, message: bytes) -> Optional[StreamAnswer]:
        """Takes an answer in. None: superseded, or of no request that is under way."""
        response = energy_pb2.ScoreActionsStreamResponse.FromString(message)
        asked = self.under_way.pop(response.request_id, None)
        if asked is None:
            return None
        if response.HasField("response"):
            if asked.context is not None and asked.context_id is None:
                asked.context.id = response.response.context.context_id or None
            answer = StreamAnswer(
                asked.request_id, asked.submitted_at, ranking=results.ranking(response.response)
            )
            if self.newest is None or asked.request_id > self.newest.request_id:
                self.newest = answer
            self.error = None
            return answer
        if response.HasField("superseded"):
            return None
        error = error_of_status(response.error.code, response.error.message, response.error)
        if isinstance(error, NotFound) and asked.context is not None and asked.context_id is not None:
            asked.context.forget(asked.context_id)  # the next request sends the context along
        if isinstance(error, Superseded):
            return None
        self.error = error
        return StreamAnswer(asked.request_id, asked.submitted_at, error=error)

    def broke(self, error: EnergyError) -> List[StreamAnswer]:
        """The connection is gone, and with it what was under way. What was not written yet stays."""
        lost = [
            StreamAnswer(asked.request_id, asked.submitted_at, error=error)
            for asked in self.under_way.values()
        ]
        self.under_way.clear()
        self.error = error
        return lost

    @property
    def outstanding(self) -> int:
        return len(self.unsent) + len(self.under_way)
