"""Meta-World (MuJoCo) as `action_energy.branch` wants it: one task, states that are saved and restored to the bit."""

from __future__ import annotations

import copy
from typing import Any, Dict, Optional, Tuple

import mujoco
import numpy as np
from action_energy.branch import Step
from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
from metaworld.policies import ENV_POLICY_MAP

STEPS = 150
"""Of an episode; Meta-World's own limit is 500, and its experts need 35 to 110."""
OBSERVATION, ACTION = 39, 4
TASKS = tuple(sorted(ENV_POLICY_MAP))

_PHYSICS = mujoco.mjtState.mjSTATE_INTEGRATION
_PLAIN = (np.ndarray, np.generic, int, float, bool, str, bytes, type(None))


class MetaWorld:
    """Observations are Meta-World's [39], the goal among them; actions [4] in [-1, 1], the last one the gripper's force."""

    def __init__(self, task: str) -> None:
        self._env = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{task}-goal-observable"]()
        self._env.seeded_rand_vec, self._env._freeze_rand_vec = True, False  # each seed a scene of its own
        self._expert = ENV_POLICY_MAP[task]()
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        self._env.seed(seed)
        observation, _ = self._env.reset()
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

    def expert(self, observation: np.ndarray) -> np.ndarray:
        """What Meta-World's scripted expert would do now, [4]."""
        action = self._expert.get_action(observation.astype(np.float64))
        return np.clip(action, -1, 1).astype(np.float32)

    def _python_state(self) -> Dict[str, Any]:
        """What the environment keeps beside the physics: step count, previous observation, goals, initial positions."""
        plain = {name: value for name, value in self._env.__dict__.items() if isinstance(value, _PLAIN)}
        return copy.deepcopy(plain)


def check_repeats(simulator: MetaWorld, seed: int) -> None:
    """Branch labels and common seeds mean something only if the same state and the same actions give the same bits.
    Errors: `RuntimeError` where they do not."""
    rng = np.random.default_rng(seed)
    approach, actions = rng.uniform(-1, 1, (30, ACTION)), rng.uniform(-1, 1, (30, ACTION))

    def seen(state: Any = None) -> Tuple[Any, np.ndarray]:
        if state is None:
            simulator.reset(seed)
            for action in approach:
                simulator.step(action)
            state = simulator.save()
        else:
            simulator.restore(state)
        return state, np.stack([simulator.step(action).observation for action in actions])

    state, first = seen()
    for what, again in (
        ("a restore", seen(state)[1]),
        ("a second restore", seen(state)[1]),
        ("a reset", seen()[1]),
    ):
        differing = np.flatnonzero((first != again).any(axis=1))
        if len(differing):
            raise RuntimeError(f"seed {seed}: observations differ from step {differing[0]} on after {what}")
