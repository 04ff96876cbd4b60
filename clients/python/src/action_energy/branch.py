"""Branch labels, for users with a simulator: which of a policy's samples succeed, from one and the same state.

From states of the policy's own episodes each candidate is executed, then the policy goes on under the same random numbers;
what comes of it is that candidate's cost. Energies trained on such labels (`candidate_cost` in the layout of
`action-energy train`) are those that beat a consensus of the samples. Most states decide nothing, whichever candidate is
taken, so those where the candidates disagree most are branched at.

    report = branch(make_simulator, make_policy, "branches", episodes=range(400), candidates=8, workers=2)

Killed and started again, it goes on with the episodes that are not there yet; the files are the same, bit for bit, whatever
the number of workers.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Protocol, Set, Tuple

import numpy as np
import numpy.typing as npt

from action_energy.errors import InvalidInput
from action_energy.integrations.choosing import Proposal
from action_energy.shards import ShardWriter, float_row, own_first, remove_stale_parts, visible_tokens

Chunks = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    observation: Any
    done: bool
    """No further step makes sense: succeeded, failed, or out of time."""
    cost: Optional[float] = None
    """Set when the episode is decided: from 0 (success) to 1 (failure)."""


class Simulator(Protocol):
    """One environment. Its state is all that the future depends on: physics, and what Python keeps beside it.

    MuJoCo: `mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)` and `mj_setState`. LIBERO and
    robosuite: `env.get_sim_state()`, `env.set_init_state(state)`. ManiSkill: `env.get_state_dict()`,
    `env.set_state_dict(state)`. Meta-World: examples/metaworld/simulator.py. Counters, goals and filters of the
    environment's own belong to the state, too.
    """

    def reset(self, seed: int) -> Any:
        """The first observation of episode `seed`."""

    def save(self) -> Any:
        """A state that stays what it is while the simulator goes on."""

    def restore(self, state: Any) -> Any:
        """Back to that state; the observation there."""

    def step(self, action: npt.NDArray[np.float32]) -> Step:
        """One action [A], in the units of the energy model's card."""


class Policy(Protocol):
    def propose(self, observation: Any, count: int, rng: np.random.Generator) -> Proposal:
        """`count` samples, all of their chance from `rng`; number `baseline` is what the policy would execute."""


@dataclass(frozen=True)
class Options:
    candidates: int = 8
    """N, executed at each state."""
    states: int = 4
    """Most states of an episode to branch at."""
    execute: int = 0
    """Steps of a chunk to execute before the policy is asked again; 0: the whole chunk."""
    seed: int = 0
    repeats: int = 1
    """Continuations of each candidate, each under other random numbers; their mean is the cost."""
    max_decisions: int = 1000
    """Of an episode and of a continuation; one that is not decided by then has failed."""
    task: int = 0
    """`task_id` of the rows."""


@dataclass(frozen=True)
class EpisodeReport:
    episode: int
    cost: float
    """Of the policy's own episode."""
    states: int
    decisive: int
    """States whose candidates did not all come to the same cost."""
    best_of: float
    """Mean over states of the lowest cost."""
    mean_of: float
    """Mean over states of the mean cost."""


@dataclass(frozen=True)
class BranchReport:
    episodes: int
    skipped: int
    """Episodes that were there already."""
    states: int
    decisive: int
    best_of: float
    mean_of: float


def branch(
    make_simulator: Callable[[], Simulator],
    make_policy: Callable[[], Policy],
    folder: str,
    episodes: Iterable[int],
    *,
    workers: int = 1,
    on_episode: Optional[Callable[[EpisodeReport], None]] = None,
    start_method: str = "spawn",
    **options: Any,
) -> BranchReport:
    """Branches at states of each episode (its number is the simulator's seed) and writes one shard an episode.

    `make_simulator`, `make_policy`: functions of a module (workers are processes that import it), called once in each
    worker. `options`: those of `Options`. Errors: whatever simulator and policy raise, after the episodes under way.
    """
    chosen = _options(options)
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    remove_stale_parts(root)
    wanted = sorted(set(episodes))
    missing = [episode for episode in wanted if not _is_done(root, episode)]
    reports: List[EpisodeReport] = []
    for report in _run(make_simulator, make_policy, root, missing, chosen, workers, start_method):
        reports.append(report)
        if on_episode is not None:
            on_episode(report)
    states = sum(report.states for report in reports)
    return BranchReport(
        episodes=len(reports),
        skipped=len(wanted) - len(missing),
        states=states,
        decisive=sum(report.decisive for report in reports),
        best_of=sum(report.best_of * report.states for report in reports) / max(1, states),
        mean_of=sum(report.mean_of * report.states for report in reports) / max(1, states),
    )


def _options(options: Dict[str, Any]) -> Options:
    chosen = Options(**options)
    for name, least in (
        ("candidates", 2),
        ("states", 1),
        ("execute", 0),
        ("repeats", 1),
        ("max_decisions", 1),
    ):
        if getattr(chosen, name) < least:
            raise InvalidInput(
                "too few", field=name, found=str(getattr(chosen, name)), wanted=f"at least {least}"
            )
    return chosen


def _run(
    make_simulator: Callable[[], Simulator],
    make_policy: Callable[[], Policy],
    root: Path,
    episodes: List[int],
    options: Options,
    workers: int,
    start_method: str,
) -> Iterator[EpisodeReport]:
    if workers <= 1:
        simulator, policy = make_simulator(), make_policy()
        for episode in episodes:
            yield branch_episode(simulator, policy, root, episode, options)
        return
    context = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(workers, context, _start_worker, (make_simulator, make_policy)) as pool:
        waiting = iter(episodes)
        under_way: Set[Future[EpisodeReport]] = set()
        while True:
            for episode in waiting:
                under_way.add(pool.submit(_work, root, episode, options))
                if len(under_way) >= 2 * workers:
                    break
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


_worker: List[Tuple[Simulator, Policy]] = []
"""Of a worker process: its one simulator and policy."""


def _start_worker(make_simulator: Callable[[], Simulator], make_policy: Callable[[], Policy]) -> None:
    _worker.append((make_simulator(), make_policy()))


def _work(root: Path, episode: int, options: Options) -> EpisodeReport:
    simulator, policy = _worker[0]
    return branch_episode(simulator, policy, root, episode, options)


@dataclass(frozen=True)
class _Point:
    """A decision of the policy's own episode."""

    step: int
    state: Any
    proposal: Proposal
    chunks: Chunks
    spread: float


def branch_episode(
    simulator: Simulator, policy: Policy, root: Path, episode: int, options: Options
) -> EpisodeReport:
    """One episode, branched and written."""
    points, cost = _own_episode(simulator, policy, episode, options)
    points = sorted(
        sorted(points, key=lambda point: -point.spread)[: options.states], key=lambda point: point.step
    )
    writer = ShardWriter(_shard(root, episode))
    costs: List[npt.NDArray[np.float32]] = []
    try:
        for point in points:
            found = np.array(
                [_cost_of(simulator, policy, point, n, episode, options) for n in range(len(point.chunks))],
                np.float32,
            )
            costs.append(found)
            writer.write(
                visible_tokens(point.proposal.hidden, point.proposal.mask),
                _columns(point, found, episode, options),
            )
    except BaseException:
        writer.abandon()
        raise
    if writer.finish() is None:
        _empty(root, episode).touch()
    return EpisodeReport(
        episode=episode,
        cost=cost,
        states=len(points),
        decisive=sum(int(found.min() < found.max()) for found in costs),
        best_of=float(np.mean([found.min() for found in costs])) if costs else 0.0,
        mean_of=float(np.mean([found.mean() for found in costs])) if costs else 0.0,
    )


def _own_episode(
    simulator: Simulator, policy: Policy, episode: int, options: Options
) -> Tuple[List[_Point], float]:
    observation, points, steps = simulator.reset(episode), [], 0
    for decision in range(options.max_decisions):
        rng = _rng(options, episode, decision)
        proposal = policy.propose(observation, options.candidates, rng)
        chunks = float_row(proposal.candidates, "candidates", 3)
        spread = float(np.sqrt(chunks.var(axis=0).mean()))
        points.append(_Point(steps, simulator.save(), proposal, chunks, spread))
        step = _execute(simulator, chunks[proposal.baseline], options)
        steps += options.execute or chunks.shape[1]
        if step.done:
            return points, _final(step)
        observation = step.observation
    return points, 1.0


def _cost_of(
    simulator: Simulator, policy: Policy, point: _Point, candidate: int, episode: int, options: Options
) -> float:
    """Mean over the repeats of what comes of candidate n; the continuations of all candidates meet the same chance."""
    costs = []
    for repeat in range(options.repeats):
        simulator.restore(point.state)
        step = _execute(simulator, point.chunks[candidate], options)
        decision = 0
        while not step.done and decision < options.max_decisions:
            rng = _rng(options, episode, point.step, 1 + repeat, decision)
            proposal = policy.propose(step.observation, options.candidates, rng)
            chunk = float_row(proposal.candidates, "candidates", 3)[proposal.baseline]
            step = _execute(simulator, chunk, options)
            decision += 1
        costs.append(_final(step))
    return float(np.mean(costs))


def _execute(simulator: Simulator, chunk: Chunks, options: Options) -> Step:
    step: Optional[Step] = None
    for action in chunk[: options.execute or None]:
        step = simulator.step(action)
        if step.done:
            break
    assert step is not None  # a chunk has steps
    return step


def _final(step: Step) -> float:
    """An episode that ran out of time without a word is a failure."""
    cost = 1.0 if step.cost is None else float(step.cost)
    if not 0 <= cost <= 1:
        raise InvalidInput("no cost", field="Step.cost", found=str(cost), wanted="0 (success) to 1 (failure)")
    return cost


def _columns(
    point: _Point, costs: npt.NDArray[np.float32], episode: int, options: Options
) -> Dict[str, npt.NDArray[Any]]:
    """`actions` is the best candidate, the policy's own where it is among the best; the policy's own comes first."""
    own = point.proposal.baseline
    best = own if costs[own] == costs.min() else int(costs.argmin())
    return {
        "actions": point.chunks[best],
        "candidates": own_first(point.chunks, own),
        "candidate_cost": own_first(costs, own),
        "task_id": np.array(options.task, np.int64),
        "episode_id": np.array(episode, np.int64),
        "step": np.array(point.step, np.int64),
    }


def _rng(options: Options, *place: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, *place])


def _shard(root: Path, episode: int) -> Path:
    return root / f"branch-{episode:08d}.safetensors"


def _empty(root: Path, episode: int) -> Path:
    return root / f"branch-{episode:08d}.empty"


def _is_done(root: Path, episode: int) -> bool:
    return _shard(root, episode).exists() or _empty(root, episode).exists()
