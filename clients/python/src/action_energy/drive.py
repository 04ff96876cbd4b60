"""Runs plans over a transport: blocking, or in an event loop."""

from __future__ import annotations

import asyncio
import time
from typing import Optional, TypeVar, Union

from action_energy.plans import Call, Pause, Plan
from action_energy.transport import AsyncTransport, Transport

T = TypeVar("T")


def drive(plan: Plan[T], transport: Transport) -> T:
    """Runs a plan to its end, blocking."""
    try:
        step = next(plan)
        while True:
            try:
                answer = _take(step, transport)
            except Exception as error:  # the plan decides, of unexpected errors too
                step = plan.throw(error)
            else:
                step = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def _take(step: Union[Call, Pause], transport: Transport) -> Optional[bytes]:
    if isinstance(step, Call):
        return transport.call(step.path, step.payload, step.timeout, step.affinity)
    time.sleep(step.seconds)
    return None


async def drive_async(plan: Plan[T], transport: AsyncTransport) -> T:
    """The same in an event loop."""
    try:
        step = next(plan)
        while True:
            try:
                answer: Optional[bytes] = None
                if isinstance(step, Call):
                    answer = await transport.call(step.path, step.payload, step.timeout, step.affinity)
                else:
                    await asyncio.sleep(step.seconds)
            except Exception as error:  # the plan decides, of unexpected errors too
                step = plan.throw(error)
            else:
                step = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
