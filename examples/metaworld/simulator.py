"""Meta-World (MuJoCo) as `action_energy.branch` wants it: one task, states that are saved and restored exactly."""

from __future__ import annotations

import copy
from typing import Any, Dict, Optional, Tuple

import metaworld
import mujoco
import numpy as np
from action_energy.branch import Step

STEPS = 150
"""Of an episode; Meta-World's own limit is 500, and its experts need 35 to 110."""

_PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION
_PLAIN = (np.ndarray, np.generic, int, float, bool, str, bytes, type(None))


class MetaWorld:
    """Observations are Meta-World's [39]; actions [4] in [-1, 1], the last one the gripper's force."""

    def __init__(self, task: str) -> None:
        tasks = metaworld.MT1(task)
        self._tasks = tasks.train_tasks
        self._env = tasks.train_classes[task]()
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        self._env.set_task(self._tasks[seed % len(self._tasks)])
        observation, _ = self._env.reset(seed=seed)
        self._steps = 0
        return np.asarray(observation, np.float32)

    def save(self) -> Any:
        model, data = self._env.model, self._env.data
        physics = np.empty(mujoco.mj_stateSize(model, _PHYSICS))
        mujoco.mj_getState(model, data, physics, _PHYSICS)
        return physics, self._python_state(), self._steps

    def restore(self, state: Tuple[Any, Dict[str, Any], int]) -> np.ndarray:
        physics, plain, self._steps = state
        mujoco.mj_setState(self._env.model, self._env.data, physics, _PHYSICS)
        mujoco.mj_forward(self._env.model, self._env.data)
        # mj_forward moves the solver's warm start, which the next step begins from
        mujoco.mj_setState(self._env.model, self._env.data, physics, _PHYSICS)
        self._env.__dict__.update(copy.deepcopy(plain))
        return np.asarray(self._env._get_obs(), np.float32)

    def step(self, action: np.ndarray) -> Step:
        observation, _, _, _, info = self._env.step(np.clip(action, -1, 1).astype(np.float64))
        self._steps += 1
        cost: Optional[float] = None
        if info["success"]:
            cost = 0.0
        elif self._steps >= STEPS:
            cost = 1.0
        return Step(np.asarray(observation, np.float32), cost is not None, cost)

    def _python_state(self) -> Dict[str, Any]:
        """What the environment keeps beside the physics: step count, previous observation, goals, initial positions."""
        plain = {name: value for name, value in self._env.__dict__.items() if isinstance(value, _PLAIN)}
        return copy.deepcopy(plain)
