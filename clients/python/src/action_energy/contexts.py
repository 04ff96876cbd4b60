"""Contexts that the server keeps, and requests in a context, which travels along only when it must."""

from __future__ import annotations

from typing import Callable, Collection, Optional, TypeVar, Union

from action_energy._proto import energy_pb2, selection_pb2
from action_energy.arrays import ArrayLike
from action_energy.errors import InvalidInput, NotFound
from action_energy.known_models import KnownModels
from action_energy.model import ModelInfo
from action_energy.plans import Deadline, Plan, Retries, retried
from action_energy.requests import ContextInput, ScoreRequest, SelectRequest, context_input, joined, nested

R = TypeVar("R", energy_pb2.ScoreActionsResponse, selection_pb2.SelectActionResponse)


class ContextHandle:
    """A context that the server keeps under `id` (None: not known to be kept). It holds the numbers, to send them again."""

    def __init__(self, context: ContextInput, model: str, lease_ms: int, affinity: str) -> None:
        self.input = context.held()
        self.model = model
        self.lease_ms = lease_ms
        self.affinity = affinity
        self.id: Optional[str] = None

    def forget(self, context_id: str) -> None:
        if self.id == context_id:
            self.id = None


ContextLike = Union[ArrayLike, ContextHandle]


class Sender:
    """Sends ScoreActions and SelectAction."""

    def __init__(self, retries: Retries, models: KnownModels, unchecked: Collection[str]) -> None:
        self._retries, self._models, self._unchecked = retries, models, unchecked

    def in_context(
        self,
        path: str,
        request: Union[ScoreRequest, SelectRequest],
        hidden: ContextLike,
        mask: Optional[ArrayLike],
        info: ModelInfo,
        name: str,
        parse: Callable[[bytes], R],
        until: Deadline,
        affinity: Optional[str],
    ) -> Plan[R]:
        if isinstance(hidden, ContextHandle):
            answer = yield from self._in_kept_context(path, request, hidden, parse, until, affinity)
        else:
            context: ContextInput = context_input(hidden, mask, info, self._unchecked)
            payload = joined([*nested(2, context.parts), request.body(name, None, None)])
            answer = parse((yield from self._sent(path, payload, name, until, affinity)))
        self._models.compare(name, answer.model.digest)
        return answer

    def _in_kept_context(
        self,
        path: str,
        request: Union[ScoreRequest, SelectRequest],
        handle: ContextHandle,
        parse: Callable[[bytes], R],
        until: Deadline,
        affinity: Optional[str],
    ) -> Plan[R]:
        """By id; the context goes along the first time, and again after it was lost."""
        name, context_id = handle.model, handle.id
        if context_id is not None:
            try:
                body = request.body(name, context_id, None)
                return parse((yield from self._sent(path, body, name, until, affinity)))
            except NotFound as error:
                if error.resource not in (None, "context"):
                    raise
                handle.forget(context_id)
        payload = joined([*nested(2, handle.input.parts), request.body(name, None, handle.lease_ms)])
        answer = parse((yield from self._sent(path, payload, name, until, affinity)))
        handle.id = answer.context.context_id or None
        return answer

    def _sent(
        self, path: str, payload: bytes, name: str, until: Deadline, affinity: Optional[str]
    ) -> Plan[bytes]:
        try:
            return (yield from retried(self._retries, path, payload, until, affinity=affinity))
        except InvalidInput:
            self._models.forget(name)  # what we know of the model may be what is wrong
            raise
