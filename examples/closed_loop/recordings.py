"""The data of the example. The experts' frames are kept by `action_energy.record`: first what the policy learns from, then the
same with its hidden states."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Dict, Iterable, Sequence, Tuple

import numpy as np
import torch
from action_energy.record import Recorder
from safetensors.numpy import load_file

from policy import FlowPolicy, H
from workers import Demonstration

_EVERY = 2
"""Steps between two rows: neighbouring chunks say nearly the same."""


def record_experts(folder: Path, demonstrations: Iterable[Demonstration]) -> int:
    """Rows with the observation [39] in the place of hidden states; how many there are."""
    with _recorder(folder) as recorder:
        for each in demonstrations:
            for t in range(0, len(each.actions) - H + 1, _EVERY):
                chunk = each.actions[t : t + H]
                recorder.row(each.observations[t], chunk, task=each.task, episode=each.seed, step=t)
            recorder.end_episode(each.seed, each.success)
        _finish(recorder)
        return recorder.rows


def record_contexts(folder: Path, policy: FlowPolicy, experts: Path) -> None:
    """The same rows with what the policy makes of the observation, [D]: the contexts of the energy model."""
    with _recorder(folder) as recorder:
        for shard in _shards(experts):
            with torch.inference_mode():
                hidden = policy.hidden(torch.from_numpy(shard["hidden"]), torch.from_numpy(shard["task_id"]))
            for m, row in enumerate(hidden):
                task, episode, step = (int(shard[name][m]) for name in ("task_id", "episode_id", "step"))
                recorder.row(row, shard["actions"][m], task=task, episode=episode, step=step)
            recorder.end_episode(episode, float(shard["outcome"][0]))
        _finish(recorder)


def read_experts(folder: Path) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations [M, 39], tasks [M] and chunks [M, H, A]."""
    shards = _shards(folder)
    observations, tasks, chunks = (
        np.concatenate([shard[name] for shard in shards]) for name in ("hidden", "task_id", "actions")
    )
    return observations, tasks, chunks


def branch_costs(folder: Path) -> Dict[str, float]:
    """What the branch labels of a folder say: in how many states the candidates differ, and what a choice could gain."""
    costs = np.concatenate([shard["candidate_cost"] for shard in _shards(folder)])  # [M, N]
    return {
        "states": len(costs),
        "decisive": int((costs.min(axis=1) < costs.max(axis=1)).sum()),
        "own_cost": float(costs[:, 0].mean()),
        "mean_cost": float(costs.mean()),
        "best_cost": float(costs.min(axis=1).mean()),
    }


def _shards(folder: Path) -> Sequence[Dict[str, np.ndarray]]:
    return [load_file(path) for path in sorted(folder.glob("*.safetensors"))]


def _recorder(folder: Path) -> Recorder:
    """Empty, and it waits for the disk."""
    shutil.rmtree(folder, ignore_errors=True)
    return Recorder(str(folder), queue_rows=1 << 20)


def _finish(recorder: Recorder) -> None:
    recorder.flush()
    if recorder.error is not None:
        raise recorder.error
