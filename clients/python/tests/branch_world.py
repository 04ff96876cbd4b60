"""A world for the branch tests: a point on a line must reach 1 within 6 chunks; past 1.5 it has fallen off."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from action_energy.branch import Step
from action_energy.integrations.choosing import Proposal

H, A, D = 2, 3, 16


class Line:
    def __init__(self) -> None:
        self._x, self._steps = 0.0, 0

    def _observation(self) -> np.ndarray:
        return np.array([self._x, self._steps], np.float32)

    def reset(self, seed: int) -> Any:
        self._x, self._steps = -0.1 * (seed % 3), 0
        return self._observation()

    def save(self) -> Any:
        return self._x, self._steps

    def restore(self, state: Any) -> Any:
        self._x, self._steps = state
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        self._x += float(action[0])
        self._steps += 1
        cost: Optional[float] = None
        if 1 <= self._x <= 1.5:
            cost = 0.0
        elif self._x > 1.5 or self._steps >= 6 * H:
            cost = 1.0
        return Step(self._observation(), cost is not None, cost)


class Walker:
    """Steps of random length; the nearer to the end, the wider they scatter."""

    def propose(self, observation: Any, count: int, rng: np.random.Generator) -> Proposal:
        x = float(observation[0])
        chunks = np.zeros((count, H, A), np.float32)
        chunks[..., 0] = 0.12 + (0.05 + 0.4 * max(0.0, x)) * rng.standard_normal((count, 1))
        hidden = np.full((4, D), x, np.float32)
        return Proposal(hidden, chunks, mask=np.array([False, False, False, True]), baseline=1)


def make_line() -> Line:
    return Line()


def make_walker() -> Walker:
    return Walker()


class Stumbler(Walker):
    """Raises in its 30th proposal, as a run that is killed."""

    def __init__(self) -> None:
        self._left = 30

    def propose(self, observation: Any, count: int, rng: np.random.Generator) -> Proposal:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return super().propose(observation, count, rng)


def make_stumbler() -> Stumbler:
    return Stumbler()
