"""A stream for a control loop: submit what the robot sees, take the newest answer when the loop wants one."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

from action_energy.answers import Answers, StreamAnswer
from action_energy.arrays import ArrayLike
from action_energy.drive import drive
from action_energy.errors import EnergyError, InternalError, Unavailable
from action_energy.operations import SCORE_STREAM, Operations
from action_energy.options import ScoreOptions
from action_energy.requests import context_input
from action_energy.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Unpack

RECONNECT_SECONDS = 0.2


class ScoreStream:
    """Made by `EnergyClient.stream()`. Neither `submit` nor `latest` waits for the network or raises for its troubles: a
    broken connection is opened again (within some 0.3 s), `error` says what is wrong meanwhile, and `latest().age` how old
    the newest answer is. Safe to use from several threads."""

    def __init__(self, operations: Operations, transport: Transport, model: Optional[str]) -> None:
        self._operations = operations
        self._transport = transport
        self._model = model
        self._answers = Answers()
        self._affinity = operations.keys.new()
        self._changed = threading.Condition()
        self._closed = False
        self._cancel: Callable[[], None] = lambda: None
        self._reader = threading.Thread(target=self._run, name="action-energy-stream", daemon=True)
        self._reader.start()

    def submit(
        self,
        hidden: Any,
        candidates: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        supersede: bool = True,
        timeout: Optional[float] = None,
        **options: Unpack[ScoreOptions],
    ) -> int:
        """Sends a request and returns its id. `hidden`: an array, or a context of this client; `options`: those of `rank`.

        `supersede`: this request takes the place of earlier ones that still wait for the engine: a control loop wants the
        newest only. `timeout`: seconds from its arrival. Errors: `InvalidInput`; whatever `model()` raises, the first time.
        """
        handle = getattr(hidden, "handle", None)
        name = handle.model if handle is not None else self._operations.name_of(self._model)
        info = drive(self._operations.models_known.known(name, self._operations.until(None)), self._transport)
        request = self._operations.score_request(candidates, info, options)
        context = (
            handle.input
            if handle is not None
            else context_input(hidden, mask, info, self._operations.unchecked)
        )
        with self._changed:
            if self._closed:
                raise Unavailable("the stream is closed")
            request_id = self._answers.ask(
                context.parts,
                request,
                name,
                handle,
                supersede,
                0 if timeout is None else max(1, round(timeout * 1000)),
            )
            self._changed.notify_all()
        return request_id

    def latest(self, wait: float = 0.0, newer_than: int = 0) -> Optional[StreamAnswer]:
        """The answer to the newest request that has one; None: none yet.

        `wait`: seconds to wait, at most, for an answer to a request after `newer_than`; the older one is returned when
        none comes. `latest(wait=0.05, newer_than=submitted - 1)` waits for the one just submitted.
        """
        end = time.monotonic() + wait
        with self._changed:
            while True:
                newest = self._answers.newest
                left = end - time.monotonic()
                if (newest is not None and newest.request_id > newer_than) or left <= 0 or self._closed:
                    return newest
                self._changed.wait(left)

    @property
    def error(self) -> Optional[EnergyError]:
        """What went wrong last; None after a success."""
        return self._answers.error

    @property
    def outstanding(self) -> int:
        """Requests without an answer."""
        return self._answers.outstanding

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._cancel()
        if threading.current_thread() is not self._reader:
            self._reader.join(timeout=5)

    def __enter__(self) -> ScoreStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._wait_for_work():
            generation = threading.Event()
            try:
                answers, self._cancel = self._transport.stream(
                    SCORE_STREAM, self._requests(generation), self._affinity
                )
                for message in answers:
                    with self._changed:
                        self._answers.settle(message)
                        self._changed.notify_all()
                error: EnergyError = Unavailable("the server ended the stream")
            except EnergyError as caught:
                error = caught
            except Exception as caught:
                error = InternalError(f"unexpected {type(caught).__name__}: {caught}")
            with self._changed:
                generation.set()
                self._answers.broke(error)
                self._changed.notify_all()
                if not self._closed:
                    self._changed.wait_for(lambda: self._closed, random.uniform(0.5, 1.5) * RECONNECT_SECONDS)

    def _wait_for_work(self) -> bool:
        """Until something is to be written; True: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._answers.unsent)
            return self._closed

    def _requests(self, generation: threading.Event) -> Iterator[bytes]:
        """What gRPC writes, on a thread of its own, as fast as flow control lets it."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or generation.is_set() or self._answers.unsent)
                if self._closed or generation.is_set():
                    return
                payload = self._answers.take()
            yield payload
