"""The same client for asyncio. What each method takes and gives is written at `EnergyClient`."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, AsyncIterator, Callable, Collection, List, Optional, Sequence, TypeVar, Union

from action_energy import results
from action_energy.answers import Answers, StreamAnswer
from action_energy.arrays import ArrayLike
from action_energy.errors import EnergyError, InternalError, Unavailable
from action_energy.model import ModelInfo
from action_energy.operations import SCORE_STREAM, ContextHandle, Operations
from action_energy.plans import Plan
from action_energy.requests import context_input
from action_energy.stream import RECONNECT_SECONDS
from action_energy.transport import TLS, AsyncGrpcTransport, AsyncTransport, Target, Token, drive_async

T = TypeVar("T")


class AsyncEnergyClient:
    """`EnergyClient` for asyncio: the same arguments, checks, retries and errors."""

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        tls: Optional[TLS] = None,
        token: Optional[Token] = None,
        model: str = "",
        deadline: Optional[float] = 1.0,
        unchecked: Collection[str] = (),
        insecure_token: bool = False,
        transport: Optional[AsyncTransport] = None,
    ) -> None:
        self._operations = Operations(model, deadline, unchecked)
        self._transport = transport or AsyncGrpcTransport(Target(address, tls, token, insecure_token))

    async def rank(
        self,
        hidden: Union[ArrayLike, AsyncContext],
        candidates: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
        **options: Any,
    ) -> results.Ranking:
        """`options`: those of `EnergyClient.rank`."""
        return await self._run(
            self._operations.rank(_handle(hidden), candidates, mask, model, deadline, **options)
        )

    async def select(
        self,
        hidden: Union[ArrayLike, AsyncContext],
        candidates: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        baseline: int = 0,
        rule: str = "auto",
        score: Optional[str] = None,
        ungated: bool = False,
        episode_step: Optional[float] = None,
        episode: Optional[int] = None,
        task: Optional[int] = None,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
    ) -> results.Selection:
        """Always gives a chunk back, see `EnergyClient.select`."""
        return await self._run(
            self._operations.select(
                _handle(hidden),
                candidates,
                mask,
                model,
                deadline,
                baseline=baseline,
                rule=rule,
                score=score,
                ungated=ungated,
                episode_step=episode_step,
                episode=episode,
                task=task,
            )
        )

    async def matrix(
        self,
        contexts: Sequence[Union[ArrayLike, AsyncContext]],
        chunks: ArrayLike,
        *,
        masks: Optional[Sequence[Optional[ArrayLike]]] = None,
        tau: Optional[float] = None,
        pool: Any = None,
        score: str = "readout",
        model: Optional[str] = None,
        deadline: Optional[float] = None,
    ) -> results.Matrix:
        handles = [_handle(context) for context in contexts]
        return await self._run(
            self._operations.matrix(handles, chunks, masks, model, deadline, tau, pool, score)
        )

    async def context(
        self,
        hidden: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        lease: float = 0.0,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
    ) -> AsyncContext:
        """`async with await client.context(hidden) as context:`"""
        handle = await self._run(self._operations.open_context(hidden, mask, model, lease, deadline))
        return AsyncContext(self, handle)

    def stream(self, *, model: Optional[str] = None) -> AsyncScoreStream:
        """`async with client.stream() as stream:`"""
        return AsyncScoreStream(self._operations, self._transport, model)

    async def report_outcome(
        self,
        decision: Union[str, results.Selection],
        *,
        success: Optional[bool] = None,
        cost: Optional[float] = None,
        executed: Optional[int] = None,
        baseline_cost: Optional[float] = None,
        whole_episode: bool = False,
        deadline: Optional[float] = None,
    ) -> results.OutcomeReport:
        return await self._run(
            self._operations.report_outcome(
                decision,
                success=success,
                cost=cost,
                executed=executed,
                baseline_cost=baseline_cost,
                whole_episode=whole_episode,
                deadline=deadline,
            )
        )

    async def health(self, model: Optional[str] = None, *, deadline: Optional[float] = None) -> str:
        return await self._run(self._operations.health(model, deadline))

    async def model(self, model: Optional[str] = None, *, deadline: Optional[float] = None) -> ModelInfo:
        return await self._run(self._operations.model(model, deadline))

    async def models(self, *, deadline: Optional[float] = None) -> List[ModelInfo]:
        return await self._run(self._operations.models(deadline))

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> AsyncEnergyClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _run(self, plan: Plan[T]) -> T:
        return await drive_async(plan, self._transport)


class AsyncContext:
    """Made by `AsyncEnergyClient.context`."""

    def __init__(self, client: AsyncEnergyClient, handle: ContextHandle) -> None:
        self._client = client
        self.handle = handle

    @property
    def id(self) -> Optional[str]:
        return self.handle.id

    async def rank(self, candidates: ArrayLike, **options: Any) -> results.Ranking:
        return await self._client.rank(self, candidates, **options)

    async def select(self, candidates: ArrayLike, **options: Any) -> results.Selection:
        return await self._client.select(self, candidates, **options)

    async def drop(self) -> None:
        await self._client._run(self._client._operations.drop_context(self.handle, None))

    async def __aenter__(self) -> AsyncContext:
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self.drop()
        except EnergyError:
            pass  # its lease ends anyway


class AsyncScoreStream:
    """`ScoreStream` for asyncio, of one event loop: opened by `async with`."""

    def __init__(self, operations: Operations, transport: AsyncTransport, model: Optional[str]) -> None:
        self._operations = operations
        self._transport = transport
        self._model = model
        self._answers = Answers()
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
        **options: Any,
    ) -> int:
        """See `ScoreStream.submit`."""
        handle = hidden.handle if isinstance(hidden, AsyncContext) else None
        name = handle.model if handle is not None else self._operations._name(self._model)
        known = self._operations._known_model(name, self._operations._until(None))
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
                answers, self._cancel = self._transport.stream(SCORE_STREAM, self._requests(generation))
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


def _handle(hidden: Union[ArrayLike, AsyncContext]) -> Any:
    return hidden.handle if isinstance(hidden, AsyncContext) else hidden
