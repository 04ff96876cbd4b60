"""The stream of the asyncio client."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Optional

from action_energy.answers import Answers, StreamAnswer
from action_energy.arrays import ArrayLike
from action_energy.drive import drive_async
from action_energy.errors import EnergyError, InternalError, Unavailable
from action_energy.operations import SCORE_STREAM, Operations
from action_energy.options import ScoreOptions
from action_energy.requests import context_input
from action_energy.stream import RECONNECT_SECONDS
from action_energy.transport import AsyncTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncScoreStream:
    """`ScoreStream` for asyncio, of one event loop: opened by `async with`."""

    def __init__(self, operations: Operations, transport: AsyncTransport, model: Optional[str]) -> None:
        self._operations = operations
        self._transport = transport
        self._model = model
        self._answers = Answers()
        self._affinity = operations.keys.new()
        self._closed = False
        self._cancel: Callable[[], None] = lambda: None

    async def __aenter__(self) -> AsyncScoreStream:
        self._changed = asyncio.Condition()
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._cancel()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def submit(
        self,
        hidden: Any,
        candidates: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        supersede: bool = True,
        timeout: Optional[float] = None,
        **options: Unpack[ScoreOptions],
    ) -> int:
        """See `ScoreStream.submit`."""
        handle = getattr(hidden, "handle", None)
        name = handle.model if handle is not None else self._operations.name_of(self._model)
        known = self._operations.models_known.known(name, self._operations.until(None))
        info = await drive_async(known, self._transport)
        request = self._operations.score_request(candidates, info, options)
        context = (
            handle.input
            if handle is not None
            else context_input(hidden, mask, info, self._operations.unchecked)
        )
        async with self._changed:
            if self._closed:
                raise Unavailable("the stream is closed")
            timeout_ms = 0 if timeout is None else max(1, round(timeout * 1000))
            request_id = self._answers.ask(context.parts, request, name, handle, supersede, timeout_ms)
            self._changed.notify_all()
        return request_id

    async def latest(self, wait: float = 0.0, newer_than: int = 0) -> Optional[StreamAnswer]:
        """See `ScoreStream.latest`."""
        end = time.monotonic() + wait

        def there() -> bool:
            newest = self._answers.newest
            return self._closed or (newest is not None and newest.request_id > newer_than)

        async with self._changed:
            left = end - time.monotonic()
            if left > 0:
                try:
                    await asyncio.wait_for(self._changed.wait_for(there), left)
                except asyncio.TimeoutError:
                    pass
            return self._answers.newest

    @property
    def error(self) -> Optional[EnergyError]:
        return self._answers.error

    @property
    def outstanding(self) -> int:
        return self._answers.outstanding

    async def _read(self) -> None:
        while not self._closed:
            async with self._changed:
                await self._changed.wait_for(lambda: self._closed or self._answers.unsent)
            generation = asyncio.Event()
            try:
                answers, self._cancel = self._transport.stream(
                    SCORE_STREAM, self._requests(generation), self._affinity
                )
                async for message in answers:
                    async with self._changed:
                        self._answers.settle(message)
                        self._changed.notify_all()
                error: EnergyError = Unavailable("the server ended the stream")
            except EnergyError as caught:
                error = caught
            except Exception as caught:
                error = InternalError(f"unexpected {type(caught).__name__}: {caught}")
            async with self._changed:
                generation.set()
                self._answers.broke(error)
                self._changed.notify_all()
            if not self._closed:
                await asyncio.sleep(random.uniform(0.5, 1.5) * RECONNECT_SECONDS)

    async def _requests(self, generation: asyncio.Event) -> AsyncIterator[bytes]:
        while True:
            async with self._changed:
                await self._changed.wait_for(
                    lambda: self._closed or generation.is_set() or self._answers.unsent
                )
                if self._closed or generation.is_set():
                    return
                payload = self._answers.take()
            yield payload
