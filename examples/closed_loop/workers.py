"""What the worker processes do: demonstrate, branch, try. Each keeps its simulators; a job is one task and some seeds of it."""

from __future__ import annotations

import functools
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Sequence

import numpy as np
import torch
from action_energy import EnergyClient
from action_energy.branch import BranchReport, branch

from policy import H, TaskPolicy, load_policy
from simulator import STEPS, MetaWorld, check_repeats
from trial import ARMS, Episode, run_episode

SEEDS_A_TASK = 1000
EXPERTS, BRANCHES, CALIBRATION, TRIAL = (n * 100_000 for n in range(4))
"""First seeds, so that nobody is tried on a scene that something was fitted on. A seed is an episode's id, too."""
_SEEDS_A_JOB = 5


def seeds_of(first: int, task: int, count: int) -> range:
    begin = first + SEEDS_A_TASK * task
    return range(begin, begin + count)


class Workers:
    """`count` processes. `each` runs a function on every task's seeds, a few at a time, and tells how far it is."""

    def __init__(self, tasks: Sequence[str], count: int) -> None:
        self.tasks = tuple(tasks)
        self._pool = ProcessPoolExecutor(
            count, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)
        )

    def each(self, what: str, job: Callable[..., Any], first: int, episodes: int, *options: Any) -> List[Any]:
        """Results of `job(Job, *options)` in the order of tasks and seeds."""
        start, jobs = time.monotonic(), []
        for task, name in enumerate(self.tasks):
            seeds = seeds_of(first, task, episodes)
            jobs += [Job(name, task, seeds[i : i + _SEEDS_A_JOB]) for i in range(0, episodes, _SEEDS_A_JOB)]
        futures = [self._pool.submit(job, each, *options) for each in jobs]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            seconds = time.monotonic() - start
            print(
                f"\r{what}: {done} of {len(jobs)} jobs, {seconds:.0f} s", end="", file=sys.stderr, flush=True
            )
        print(file=sys.stderr)
        return [future.result() for future in futures]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Job:
    name: str
    task: int
    seeds: range


@dataclass(frozen=True)
class Demonstration:
    task: int
    seed: int
    success: bool
    observations: np.ndarray
    """[T, 39]"""
    actions: np.ndarray
    """[T, 4], what the expert wanted."""


@functools.cache
def _simulator(task: str) -> MetaWorld:
    return MetaWorld(task)


@functools.cache
def _policy(path: Path, task: int) -> TaskPolicy:
    return TaskPolicy(load_policy(path), task)


@functools.cache
def _client(address: str) -> EnergyClient:
    return EnergyClient(address, deadline=30.0)


def repeats(job: Job) -> None:
    check_repeats(_simulator(job.name), job.seeds[0])


def demonstrate(job: Job, noise: float) -> List[Demonstration]:
    """What is executed is disturbed, what is kept is not, so that the policy sees how one comes back (Laskey et al., DART, 2017).
    Goes on for a chunk after the success, so that chunks at the end are whole."""
    demonstrations = []
    for seed in job.seeds:
        simulator, rng = _simulator(job.name), np.random.default_rng(seed)
        observation, success, left = simulator.reset(seed), False, STEPS
        observations, actions = [], []
        while left > 0:
            action = simulator.expert(observation)
            observations.append(observation)
            actions.append(action)
            step = simulator.step(action + noise * rng.standard_normal(4).astype(np.float32))
            left = min(left - 1, H) if step.cost == 0 and not success else left - 1
            observation, success = step.observation, success or step.cost == 0
        demonstrations.append(
            Demonstration(job.task, seed, success, np.stack(observations), np.stack(actions))
        )
    return demonstrations


def label_branches(job: Job, policy: Path, folder: Path, candidates: int, states: int) -> BranchReport:
    return branch(
        functools.partial(_simulator, job.name),
        functools.partial(_policy, policy, job.task),
        str(folder),
        job.seeds,
        candidates=candidates,
        states=states,
        task=job.task,
    )


def try_arms(job: Job, policy: Path, address: str, samples: int) -> List[Episode]:
    """Every arm from the same scenes, under the same noise."""
    simulator, own, client = _simulator(job.name), _policy(policy, job.task), _client(address)
    return [
        run_episode(simulator, own, client, arm, job.name, seed, samples)
        for seed in job.seeds
        for arm in ARMS
    ]
