"""`Training` for asyncio."""

from __future__ import annotations

import asyncio
from typing import AsyncIterator, Mapping, Optional

from action_energy import results
from action_energy._proto import training_pb2
from action_energy.arrays import ArrayLike
from action_energy.training import (
    TRAIN_STEP,
    StepMetrics,
    answer_of,
    metrics,
    rows_request,
    save_request,
    start_request,
)
from action_energy.transport import AsyncTransport


class AsyncTraining:
    """Made by `AsyncEnergyClient.train()`. One batch at a time."""

    parameters: int
    """Numbers that are trained."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._messages: asyncio.Queue[Optional[bytes]] = asyncio.Queue()
        self._closed = False
        self._answers, self._cancel = transport.stream(TRAIN_STEP, self._requests())

    @classmethod
    async def begun(cls, transport: AsyncTransport, start: training_pb2.TrainingStart) -> AsyncTraining:
        training = cls(transport)
        try:
            training.parameters = (await training._ask(start_request(start))).started.parameters
        except BaseException:
            training.close()
            raise
        return training

    async def step(self, batch: Mapping[str, ArrayLike]) -> StepMetrics:
        """See `Training.step`."""
        return metrics((await self._ask(rows_request(batch))).step)

    async def save(self, name: str, *, replace: bool = False) -> results.AnsweredBy:
        """See `Training.save`."""
        return results.answered_by((await self._ask(save_request(name, replace))).saved.model)

    def close(self) -> None:
        """Ends the session; what was not saved is gone. Idempotent."""
        self._closed = True
        self._messages.put_nowait(None)
        self._cancel()

    async def __aenter__(self) -> AsyncTraining:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    async def _ask(self, payload: bytes) -> training_pb2.TrainStepResponse:
        if self._closed:
            return answer_of(None)
        self._messages.put_nowait(payload)
        async for message in self._answers:
            return answer_of(message)
        return answer_of(None)

    async def _requests(self) -> AsyncIterator[bytes]:
        while True:
            payload = await self._messages.get()
            if payload is None:
                return
            yield payload
