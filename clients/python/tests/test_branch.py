from __future__ import annotations

from pathlib import Path
from typing import Dict

import numpy as np
import pytest
from branch_world import H, Line, make_line, make_stumbler, make_walker
from safetensors.numpy import load_file

from action_energy import InvalidInput
from action_energy.branch import EpisodeReport, branch

OPTIONS = {"candidates": 5, "states": 3, "seed": 4}


def contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_labels_are_what_happens(tmp_path: Path) -> None:
    seen = []
    report = branch(
        make_line, make_walker, str(tmp_path), range(12), on_episode=seen.append, **OPTIONS, task=3
    )
    assert report.episodes == len(seen) == 12
    assert 0 < report.decisive < report.states <= 36
    assert report.best_of < report.mean_of
    assert isinstance(seen[0], EpisodeReport)
    checked = 0
    for path in tmp_path.glob("*.safetensors"):
        shard = load_file(str(path))
        rows = len(shard["actions"])
        assert shard["candidates"].shape == (rows, 5, H, 3)
        assert shard["candidate_cost"].shape == (rows, 5)
        assert shard["offsets"].tolist() == [3 * i for i in range(rows + 1)]  # the masked token is not kept
        assert set(shard["task_id"]) == {3}
        assert len(set(shard["episode_id"])) == 1
        assert np.all(np.diff(shard["step"]) > 0)
        for row in range(rows):
            costs, candidates = shard["candidate_cost"][row], shard["candidates"][row]
            best = np.flatnonzero(np.all(candidates == shard["actions"][row], axis=(1, 2)))
            assert costs[best[0]] == costs.min()
            for candidate, cost in zip(candidates, costs):  # those that are decided within their own chunk
                line = Line()
                line.restore((float(shard["hidden"][3 * row, 0]), int(shard["step"][row])))
                steps = [line.step(action) for action in candidate]
                decided = next((step for step in steps if step.done), None)
                if decided is not None:
                    assert decided.cost == cost
                    checked += 1
    assert checked > 10


def test_equal_candidates_meet_equal_chance(tmp_path: Path) -> None:
    class Twins:
        def propose(self, observation, count, rng):  # type: ignore[no-untyped-def]
            proposal = make_walker().propose(observation, count, rng)
            proposal.candidates[:] = proposal.candidates[:1]
            return proposal

    report = branch(make_line, Twins, str(tmp_path), range(8), **OPTIONS, repeats=2)
    assert report.states > 0
    assert report.decisive == 0


def test_states_where_candidates_disagree_come_first(tmp_path: Path) -> None:
    branch(make_line, make_walker, str(tmp_path / "one"), range(6), candidates=5, states=1)
    branch(make_line, make_walker, str(tmp_path / "all"), range(6), candidates=5, states=99)
    for path in (tmp_path / "one").glob("*.safetensors"):
        one, all_ = load_file(str(path)), load_file(str(tmp_path / "all" / path.name))
        spreads = all_["candidates"].var(axis=1).mean(axis=(1, 2))
        assert one["step"].tolist() == [all_["step"][spreads.argmax()]]


def test_any_number_of_workers_and_any_restart_give_the_same_files(tmp_path: Path) -> None:
    branch(make_line, make_walker, str(tmp_path / "serial"), range(6), **OPTIONS)
    branch(make_line, make_walker, str(tmp_path / "parallel"), range(6), workers=2, **OPTIONS)
    expected = contents(tmp_path / "serial")
    assert contents(tmp_path / "parallel") == expected
    with pytest.raises(KeyboardInterrupt):
        branch(make_line, make_stumbler, str(tmp_path / "killed"), range(6), **OPTIONS)
    there = contents(tmp_path / "killed")
    assert not any(name.endswith(".part") for name in there)
    again = branch(make_line, make_walker, str(tmp_path / "killed"), range(6), **OPTIONS)
    assert contents(tmp_path / "killed") == expected
    assert again.skipped == len(there)


@pytest.mark.parametrize("wrong", [{"candidates": 1}, {"states": 0}, {"repeats": 0}])
def test_options(tmp_path: Path, wrong: Dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        branch(make_line, make_walker, str(tmp_path), range(1), **wrong)
