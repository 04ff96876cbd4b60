"""The same client for asyncio. What each method takes and gives is written at `EnergyClient`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, List, Optional, Sequence, TypeVar, Union

from action_energy import results
from action_energy.aio_stream import AsyncScoreStream
from action_energy.aio_training import AsyncTraining
from action_energy.arrays import ArrayLike
from action_energy.contexts import ContextHandle, ContextLike
from action_energy.drive import drive_async
from action_energy.errors import EnergyError
from action_energy.model import ModelInfo
from action_energy.operations import Operations
from action_energy.options import (
    ContextOptions,
    MatrixOptions,
    OutcomeOptions,
    RankOptions,
    RefineOptions,
    SelectOptions,
    TrainOptions,
)
from action_energy.plans import Plan
from action_energy.target import TLS, Target, Token
from action_energy.training import training_start
from action_energy.transport import AsyncGrpcTransport, AsyncTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack

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
        affinity: Optional[str] = None,
        transport: Optional[AsyncTransport] = None,
    ) -> None:
        self._operations = Operations(model, deadline, unchecked, affinity)
        self._transport = transport or AsyncGrpcTransport(Target(address, tls, token, insecure_token))

    async def rank(
        self, hidden: Union[ArrayLike, AsyncContext], candidates: ArrayLike, **options: Unpack[RankOptions]
    ) -> results.Ranking:
        return await self._run(self._operations.rank(_handle(hidden), candidates, **options))

    async def select(
        self, hidden: Union[ArrayLike, AsyncContext], candidates: ArrayLike, **options: Unpack[SelectOptions]
    ) -> results.Selection:
        """Always gives a chunk back."""
        return await self._run(self._operations.select(_handle(hidden), candidates, **options))

    async def refine(
        self, hidden: Union[ArrayLike, AsyncContext], candidates: ArrayLike, **options: Unpack[RefineOptions]
    ) -> results.Selection:
        return await self._run(self._operations.refine(_handle(hidden), candidates, **options))

    async def matrix(
        self,
        contexts: Sequence[Union[ArrayLike, AsyncContext]],
        chunks: ArrayLike,
        **options: Unpack[MatrixOptions],
    ) -> results.Matrix:
        handles = [_handle(context) for context in contexts]
        return await self._run(self._operations.matrix(handles, chunks, **options))

    async def context(self, hidden: ArrayLike, **options: Unpack[ContextOptions]) -> AsyncContext:
        """`async with await client.context(hidden) as context:`"""
        return AsyncContext(self, await self._run(self._operations.open_context(hidden, **options)))

    def stream(self, *, model: Optional[str] = None) -> AsyncScoreStream:
        """`async with client.stream() as stream:`"""
        return AsyncScoreStream(self._operations, self._transport, model)

    async def train(self, **options: Unpack[TrainOptions]) -> AsyncTraining:
        """`async with await client.train() as training:`"""
        return await AsyncTraining.begun(
            self._transport, training_start(self._operations.model_name, **options)
        )

    async def report_outcome(
        self, decision: Union[str, results.Selection], **options: Unpack[OutcomeOptions]
    ) -> results.OutcomeReport:
        return await self._run(self._operations.report_outcome(decision, **options))

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

    async def rank(self, candidates: ArrayLike, **options: Unpack[RankOptions]) -> results.Ranking:
        return await self._client.rank(self, candidates, **options)

    async def select(self, candidates: ArrayLike, **options: Unpack[SelectOptions]) -> results.Selection:
        return await self._client.select(self, candidates, **options)

    async def refine(self, candidates: ArrayLike, **options: Unpack[RefineOptions]) -> results.Selection:
        return await self._client.refine(self, candidates, **options)

    async def drop(self) -> None:
        await self._client._run(self._client._operations.drop_context(self.handle, None))

    async def __aenter__(self) -> AsyncContext:
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self.drop()
        except EnergyError:
            pass  # its lease ends anyway


def _handle(hidden: Union[ArrayLike, AsyncContext]) -> ContextLike:
    return hidden.handle if isinstance(hidden, AsyncContext) else hidden
