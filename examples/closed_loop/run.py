"""A closed loop in one command: `python examples/closed_loop/run.py --output loop`.

Meta-World's scripted experts are recorded, a small policy that samples chunks learns from them, an energy model learns from the
same frames, is fine-tuned on branch labels, and chooses among the policy's samples through the server. What comes of it, beside
ways of choosing that need no model, stands in OUTPUT/results.json, results.md and results.png, whatever it is.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import torch
from action_energy.testing import start_server

from energy import run_command, write_card
from policy import save_policy, train_policy
from recordings import branch_costs, read_experts, record_contexts, record_experts
from report import write_report
from simulator import TASKS
from trial import AFTER, BEFORE, results_of
from workers import (
    BRANCHES,
    CALIBRATION,
    EXPERTS,
    TRIAL,
    Workers,
    demonstrate,
    label_branches,
    repeats,
    try_arms,
)

HELD_OUT = ("push", "pick-place", "peg-insert-side", "sweep-into", "hammer", "door-open")
"""Tasks that serve as a test elsewhere."""


@dataclass(frozen=True)
class Sizes:
    tasks: List[str]
    demonstrations: int
    """Of each task; so are the episodes below."""
    noise: float
    """Of what the expert executes, in action units."""
    policy_updates: int
    batch: int
    """Of the energy model's training."""
    energy_epochs: int
    branch_episodes: int
    calibration_episodes: int
    states: int
    """Most branched at in an episode."""
    candidates: int
    rank_epochs: int
    trial_episodes: int
    samples: int
    """N of the trial."""


FULL = Sizes(
    tasks=["basketball-v3", "dial-turn-v3", "door-lock-v3", "lever-pull-v3"],
    demonstrations=12,
    noise=0.3,
    policy_updates=4000,
    batch=16,
    energy_epochs=20,
    branch_episodes=60,
    calibration_episodes=20,
    states=4,
    candidates=8,
    rank_epochs=30,
    trial_episodes=60,
    samples=16,
)
QUICK = replace(
    FULL,
    tasks=FULL.tasks[:1],
    demonstrations=4,
    policy_updates=200,
    batch=8,
    energy_epochs=2,
    branch_episodes=6,
    calibration_episodes=4,
    states=2,
    candidates=3,
    rank_epochs=2,
    trial_episodes=2,
    samples=8,
)


def scaled(sizes: Sizes, factor: float) -> Sizes:
    names = ("branch_episodes", "calibration_episodes", "trial_episodes")
    return replace(sizes, **{name: max(2, round(factor * getattr(sizes, name))) for name in names})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        help="folder for everything; killed and started again, the run goes on",
    )
    parser.add_argument("--quick", action="store_true", help="a minute: whether all of it runs, nothing more")
    parser.add_argument("--tasks", nargs="+", help=f"Meta-World's names (default: {' '.join(FULL.tasks)})")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="of the numbers of episodes that are branched and tried (default: 1)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of policy and energy models (default: 0)")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    sizes = replace(sizes, tasks=options.tasks or sizes.tasks)
    held_out = [task for task in sizes.tasks if task.rsplit("-v", 1)[0] in HELD_OUT]
    if held_out:
        parser.error(f"{', '.join(held_out)}: held out for a test elsewhere")
    unknown = [task for task in sizes.tasks if task not in TASKS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: not a task of Meta-World, which has {', '.join(TASKS)}")
    if not 0 < options.scale < float("inf"):
        parser.error(f"--scale: a number above 0 is wanted, not {options.scale}")
    sizes = scaled(sizes, options.scale)
    wanted = {"sizes": asdict(sizes), "seed": options.seed}
    run = options.output / "run.json"
    if run.exists() and json.loads(run.read_text()) != wanted:
        parser.error(f"{options.output} holds a run of other sizes, tasks or seed; choose another folder")
    options.output.mkdir(parents=True, exist_ok=True)
    run.write_text(json.dumps(wanted))
    torch.set_num_threads(1)  # small matrices
    workers = Workers(sizes.tasks, options.workers)
    try:
        results = Loop(options.output, sizes, workers, options.seed).run()
    finally:
        workers.close()
    print(write_report(results, options.output))


class Loop:
    """Stages, each with what it says in OUTPUT/NAME.json; one that is there is not done again."""

    def __init__(self, folder: Path, sizes: Sizes, workers: Workers, seed: int) -> None:
        self.folder, self.sizes, self.workers, self.seed = folder, sizes, workers, seed
        self.policy = folder / "policy.pt"
        self.models = folder / "models"
        self.models.mkdir(parents=True, exist_ok=True)

    def run(self) -> Dict[str, Any]:
        stages: Dict[str, Callable[[], Any]] = {
            "experts": self.experts,
            "policy": self.train_policy,
            "before": self.train_energy,
            "branches": lambda: self.branches("branches", BRANCHES, self.sizes.branch_episodes),
            "calibration": lambda: self.branches("calibration", CALIBRATION, self.sizes.calibration_episodes),
            "after": self.fine_tune,
            "verdicts": lambda: {model: self.calibrate(model) for model in (BEFORE, AFTER)},
            "arms": self.trial,
        }
        done = {name: self._stage(name, make) for name, make in stages.items()}
        results: Dict[str, Any] = {"sizes": asdict(self.sizes), "seed": self.seed}
        results.update((name, stage["found"]) for name, stage in done.items())
        results["seconds"] = {name: stage["seconds"] for name, stage in done.items()}
        return results

    def _stage(self, name: str, make: Callable[[], Any]) -> Dict[str, Any]:
        path = self.folder / f"{name}.json"
        if not path.exists():
            start = time.monotonic()
            found = make()
            path.write_text(json.dumps({"found": found, "seconds": round(time.monotonic() - start, 1)}))
        stage: Dict[str, Any] = json.loads(path.read_text())
        print(f"{name}: {stage['seconds']:.0f} s", flush=True)
        return stage

    def experts(self) -> Dict[str, Any]:
        self.workers.each("states that repeat", repeats, EXPERTS, 1)
        found = self.workers.each(
            "demonstrations", demonstrate, EXPERTS, self.sizes.demonstrations, self.sizes.noise
        )
        demonstrations = [each for some in found for each in some]
        rows = record_experts(self.folder / "experts", demonstrations)
        success = sum(each.success for each in demonstrations) / len(demonstrations)
        return {"episodes": len(demonstrations), "rows": rows, "success": success}

    def train_policy(self) -> Dict[str, Any]:
        losses: List[float] = []

        def told(update: int, loss: float) -> None:
            losses.append(loss)
            print(f"policy: update {update} of {self.sizes.policy_updates}, loss {loss:.4f}", flush=True)

        policy = train_policy(
            *read_experts(self.folder / "experts"), self.sizes.policy_updates, self.seed, told
        )
        save_policy(policy, self.policy)
        record_contexts(self.folder / "contexts", policy, self.folder / "experts")
        return {"losses": losses}

    def train_energy(self) -> Dict[str, Any]:
        card = write_card(self.folder / "energy.json")
        return self._train(
            BEFORE, "contexts", "--card", card, "--loss", "swap", "--epochs", self.sizes.energy_epochs
        )

    def fine_tune(self) -> Dict[str, Any]:
        start = ("--from", self.models / BEFORE, "--loss", "rank", "--epochs", self.sizes.rank_epochs)
        return self._train(AFTER, "branches", *start)

    def _train(self, model: str, data: str, *arguments: object) -> Dict[str, Any]:
        answer = run_command(
            "train", self.folder / data, "-o", self.models / model, *arguments,
            "--batch", self.sizes.batch, "--seed", self.seed, "--force",
        )  # fmt: skip
        return {name: answer.get(name) for name in ("updates", "best", "rows", "decisive", "stopped")}

    def branches(self, folder: str, first: int, episodes: int) -> Dict[str, Any]:
        """To train on, or to calibrate on: of episodes of their own."""
        self.workers.each(
            folder, label_branches, first, episodes,
            self.policy, self.folder / folder, self.sizes.candidates, self.sizes.states,
        )  # fmt: skip
        return branch_costs(self.folder / folder)

    def calibrate(self, model: str) -> Dict[str, Any]:
        answer = run_command("calibrate", self.models / model, self.folder / "calibration", "--no-int8")
        fitted, held_out = answer["choice"], answer["report"]["choice"]
        return {
            "verdict": answer["verdict"],
            "best": fitted["best"],
            "gate": fitted["gates"][answer["score"]],
            "rows": held_out["rows"],
            "decisive": held_out["decisive"]["value"],
            "rank_correlation": held_out["rank_correlation"],
            "gains": held_out["gains"],
        }

    def trial(self) -> List[Dict[str, Any]]:
        with start_server(str(self.models), flags=["--quality-share", "0", "--threads", "1"]) as server:
            options = (self.policy, server.address, self.sizes.samples)
            found = self.workers.each("trial", try_arms, TRIAL, self.sizes.trial_episodes, *options)
        episodes = [each for some in found for each in some]
        (self.folder / "episodes.json").write_text(json.dumps([asdict(each) for each in episodes]))
        return [asdict(result) for result in results_of(episodes)]


if __name__ == "__main__":
    main()
