"""One episode under one way of choosing, and what a set of them says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

import numpy as np
from action_energy import EnergyClient
from action_energy.branch import Policy, Simulator

BEFORE, AFTER = "before", "after"
"""The energy model that was trained on experts, and the one that was fine-tuned on branch labels."""


@dataclass(frozen=True)
class Arm:
    """`rule`: of `EnergyClient.select`, or "own" (candidate 0, nobody is asked), or "random"."""

    name: str
    rule: str
    model: str = AFTER
    gated: bool = False


OWN = Arm("policy alone", "own")
MEAN = Arm("mean of N", "consensus_mean")
ARMS = (
    OWN,
    Arm("random of N", "random"),
    MEAN,
    Arm("medoid of N", "consensus"),
    Arm("energy, before", "energy", BEFORE),
    Arm("energy_mean, before", "energy_mean", BEFORE),
    Arm("energy, after", "energy", AFTER),
    Arm("energy_mean, after", "energy_mean", AFTER),
    Arm("auto (gated), after", "auto", AFTER, gated=True),
)


@dataclass(frozen=True)
class Episode:
    arm: str
    task: str
    seed: int
    success: bool
    decisions: int
    replaced: int
    """Decisions at which another chunk than the policy's own was executed."""


def run_episode(
    simulator: Simulator, policy: Policy, client: EnergyClient, arm: Arm, task: str, seed: int, samples: int
) -> Episode:
    """Whole chunks are executed. Errors: whatever keeps the server from answering: a fallback would count for the wrong arm."""
    observation, decisions, replaced = simulator.reset(seed), 0, 0
    while True:
        rng = np.random.default_rng([seed, decisions])
        proposal = policy.propose(observation, samples, rng)
        own = chunk = np.asarray(proposal.candidates)[0]
        if arm.rule == "random":
            chunk = np.asarray(proposal.candidates)[rng.integers(samples)]
        elif arm.rule != "own":
            how = {} if arm.gated else {"ungated": True, "score": "logit"}
            chosen = client.select(
                proposal.hidden, proposal.candidates, rule=arm.rule, model=arm.model, **how
            )
            chunk = chosen.raise_for_error().chunk
        decisions += 1
        replaced += not np.array_equal(chunk, own)
        for action in chunk:
            step = simulator.step(action)
            if step.done:
                return Episode(arm.name, task, seed, step.cost == 0, decisions, replaced)
        observation = step.observation


@dataclass(frozen=True)
class Estimate:
    """A mean of tasks that count alike, with a 95 percent interval (normal, episodes of a task independent)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ArmResult:
    arm: str
    by_task: Dict[str, float]
    success: Estimate
    less_policy: Estimate
    """Paired: the same scene and noise under the policy alone."""
    less_mean: Estimate
    replaced: float
    """Share of decisions."""


def results_of(episodes: Sequence[Episode]) -> List[ArmResult]:
    tasks = list(dict.fromkeys(episode.task for episode in episodes))
    won: Dict[Tuple[str, str], np.ndarray] = {}
    for arm in ARMS:
        for task in tasks:
            own = sorted((e for e in episodes if (e.arm, e.task) == (arm.name, task)), key=lambda e: e.seed)
            won[arm.name, task] = np.array([e.success for e in own], float)
    results = []
    for arm in ARMS:
        mine = [e for e in episodes if e.arm == arm.name]
        results.append(
            ArmResult(
                arm=arm.name,
                by_task={task: float(won[arm.name, task].mean()) for task in tasks},
                success=_estimate([won[arm.name, task] for task in tasks]),
                less_policy=_estimate([won[arm.name, task] - won[OWN.name, task] for task in tasks]),
                less_mean=_estimate([won[arm.name, task] - won[MEAN.name, task] for task in tasks]),
                replaced=sum(e.replaced for e in mine) / sum(e.decisions for e in mine),
            )
        )
    return results


def _estimate(by_task: Sequence[np.ndarray]) -> Estimate:
    value = float(np.mean([values.mean() for values in by_task]))
    variance = sum(values.var(ddof=1) / len(values) for values in by_task) / len(by_task) ** 2
    half = 1.96 * math.sqrt(variance)
    return Estimate(value, value - half, value + half)
