"""Branch labels from Meta-World: `python examples/metaworld/branch_labels.py --task plate-slide-v3 --output labels`.

The policy is Meta-World's scripted expert with what learned policies have and experts do not: each sampled chunk carries an
offset and a gain of its own, so that some samples miss. Its "hidden state" is the observation, so the labels are for a
global_context model of width 39. What comes out is the data of `action-energy train`: candidates and what each cost.

`--verify` first shows that saving and restoring is exact: from one state the same actions give the same bits.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from typing import Any

import numpy as np
from action_energy.branch import EpisodeReport, branch
from action_energy.integrations.choosing import Proposal
from metaworld.policies import ENV_POLICY_MAP
from simulator import MetaWorld

HELD_OUT = ("push", "pick-place", "peg-insert-side", "sweep-into", "hammer", "door-open")
"""Tasks that serve as a test elsewhere."""
H = 8


class ScatteredExpert:
    """Chunks [H, 4]: the expert's action now, held, under an offset and a gain of the sample's own that fade slowly."""

    def __init__(self, task: str, scatter: float) -> None:
        self._expert = ENV_POLICY_MAP[task]()
        self._scatter = scatter

    def propose(self, observation: Any, count: int, rng: np.random.Generator) -> Proposal:
        action = np.clip(self._expert.get_action(observation.astype(np.float64)), -1, 1)
        offset = self._scatter * rng.standard_normal((count, 1, 4))
        gain = rng.uniform(0.3, 1.2, (count, 1, 1))
        chunks = np.clip(gain * action[None, None] + offset * np.linspace(1, 0.5, H)[None, :, None], -1, 1)
        chunks[..., 3] = action[3]
        return Proposal(np.asarray(observation, np.float32), chunks.astype(np.float32))


def verify(task: str, episodes: int = 5) -> None:
    simulator = MetaWorld(task)
    for episode in range(episodes):
        rng = np.random.default_rng(episode)
        simulator.reset(episode)
        for action in rng.uniform(-1, 1, (int(rng.integers(1, 40)), 4)):
            simulator.step(action)
        state, actions = simulator.save(), rng.uniform(-1, 1, (40, 4))
        first = [simulator.step(action).observation for action in actions]
        for _ in range(2):
            simulator.restore(state)
            again = [simulator.step(action).observation for action in actions]
            if not np.array_equal(first, again):
                step = int(np.flatnonzero([not np.array_equal(a, b) for a, b in zip(first, again)])[0])
                raise SystemExit(f"{task}: episode {episode} differs from step {step} on after a restore")
    print(f"{task}: {episodes} states restored exactly, twice each")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="plate-slide-v3")
    parser.add_argument("--output", required=True, help="folder of shards; run again to go on")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--states", type=int, default=3)
    parser.add_argument("--scatter", type=float, default=0.5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--verify", action="store_true")
    options = parser.parse_args()
    if options.task.rsplit("-v", 1)[0] in HELD_OUT:
        parser.error(f"{options.task} is held out, as are {', '.join(HELD_OUT)}")
    if options.verify:
        verify(options.task)
    start = time.monotonic()

    def told(report: EpisodeReport) -> None:
        print(
            f"episode {report.episode}: own cost {report.cost:g}, {report.decisive} of {report.states} states decisive, "
            f"best of {options.candidates} {report.best_of:.2f}, mean {report.mean_of:.2f}",
            flush=True,
        )

    report = branch(
        functools.partial(MetaWorld, options.task),
        functools.partial(ScatteredExpert, options.task, options.scatter),
        options.output,
        range(options.episodes),
        workers=options.workers,
        candidates=options.candidates,
        states=options.states,
        on_episode=told,
    )
    print(json.dumps({**report.__dict__, "seconds": round(time.monotonic() - start, 1)}))


if __name__ == "__main__":
    main()
