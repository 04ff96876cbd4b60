from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

from action_energy import InvalidInput
from action_energy.record import Recorder
from action_energy.shards import ShardWriter, visible_tokens
from action_energy.testing.server import CLOSE_FDS, server_command

S, D, H, A, N = 12, 64, 8, 7, 4


def shards(folder: Path) -> List[Dict[str, Any]]:
    return [load_file(str(path)) for path in sorted(folder.glob("*.safetensors"))]


def rows(rng: np.random.Generator, count: int) -> List[Dict[str, Any]]:
    return [
        {
            "hidden": rng.normal(size=(S, D)).astype(ml_dtypes.bfloat16),
            "chunk": rng.uniform(-1, 1, (H, A)).astype(np.float32),
            "mask": np.arange(S) >= rng.integers(4, S),
            "candidates": rng.uniform(-1, 1, (N, H, A)).astype(np.float32),
            "step": step,
        }
        for step in range(count)
    ]


def test_what_is_recorded_is_what_was_given(tmp_path: Path, rng: np.random.Generator) -> None:
    given = {7: rows(rng, 5), 9: rows(rng, 3)}
    with Recorder(str(tmp_path)) as recorder:
        for step in range(5):
            for episode, its in given.items():
                if step < len(its):
                    assert recorder.row(**its[step], episode=episode, task=episode + 1)
        for row in given[9]:
            row["hidden"][:] = 0  # the recorder has its own copy
        recorder.end_episode(9, success=False)
        recorder.end_episode(7, success=True)
        recorder.flush()
        assert (recorder.rows, recorder.dropped, recorder.error) == (8, 0, None)
    by_episode = {int(shard["episode_id"][0]): shard for shard in shards(tmp_path)}
    shard = by_episode[7]
    assert set(shard) == {
        "hidden",
        "offsets",
        "actions",
        "candidates",
        "task_id",
        "episode_id",
        "step",
        "outcome",
    }
    for i, row in enumerate(given[7]):
        start, end = shard["offsets"][i : i + 2]
        np.testing.assert_array_equal(shard["hidden"][start:end], row["hidden"][~row["mask"]])
        np.testing.assert_array_equal(shard["actions"][i], row["chunk"])
        np.testing.assert_array_equal(shard["candidates"][i], row["candidates"])
    assert shard["task_id"].tolist() == [8] * 5
    assert shard["step"].tolist() == list(range(5))
    assert shard["outcome"].tolist() == [1.0] * 5
    assert by_episode[9]["outcome"].tolist() == [0.0] * 3
    assert np.any(by_episode[9]["hidden"] != 0)


def test_the_policys_own_candidate_comes_first(tmp_path: Path, rng: np.random.Generator) -> None:
    (row,) = rows(rng, 1)
    with Recorder(str(tmp_path)) as recorder:
        recorder.row(**row, episode=1, baseline=2)
        recorder.end_episode(1, success=True)
        with pytest.raises(InvalidInput):
            recorder.row(**row, episode=2, baseline=N)
    (shard,) = shards(tmp_path)
    np.testing.assert_array_equal(shard["candidates"][0], row["candidates"][[2, 0, 1, 3]])


def test_global_context_models(tmp_path: Path, rng: np.random.Generator) -> None:
    with Recorder(str(tmp_path), outcomes=False) as recorder:
        vectors = rng.normal(size=(3, D)).astype(np.float32)
        for vector in vectors:
            recorder.row(vector, np.zeros((H, A)), episode=1)
        recorder.end_episode(1)
    (shard,) = shards(tmp_path)
    np.testing.assert_array_equal(shard["hidden"], vectors)
    assert "offsets" not in shard
    assert "outcome" not in shard


def test_the_recorder_has_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy uses its memory again while the row still waits for the disk."""
    may_write, write = threading.Event(), ShardWriter.write

    def slow(*arguments: Any) -> None:
        assert may_write.wait(30)
        write(*arguments)

    monkeypatch.setattr(ShardWriter, "write", slow)
    hidden, chunk = np.ones((S, D), np.float32), np.ones((H, A), np.float32)
    with Recorder(str(tmp_path)) as recorder:
        recorder.row(hidden, chunk, candidates=chunk[None], episode=1)
        hidden[:], chunk[:] = 0, 0
        may_write.set()
        recorder.end_episode(1, success=True)
    (shard,) = shards(tmp_path)
    assert all(np.all(shard[name] == 1) for name in ("hidden", "actions", "candidates"))


def test_one_layout_a_recording(tmp_path: Path, rng: np.random.Generator) -> None:
    first, second = rows(rng, 2)
    with Recorder(str(tmp_path)) as recorder:
        recorder.row(**first, episode=1)
        for wrong, field in [
            ({"candidates": second["candidates"][:2]}, "candidates"),
            ({"candidates": None}, "candidates"),
            ({"hidden": second["hidden"].astype(np.float32)}, "hidden"),
            ({"mask": np.ones(S, bool)}, "mask"),
            ({"chunk": np.zeros(3)}, "chunk"),
        ]:
            with pytest.raises(InvalidInput) as caught:
                recorder.row(**{**second, **wrong}, episode=1)
            assert caught.value.field == field
        for wrong_outcome in (None, 2.0, -0.1):
            with pytest.raises(InvalidInput):
                recorder.end_episode(1, wrong_outcome)
        recorder.row(**second, episode=1)
        recorder.end_episode(1, 0.5)
    assert len(shards(tmp_path)[0]["actions"]) == 2


def test_episodes_that_do_not_end_are_not_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    with Recorder(str(tmp_path)) as recorder:
        for row in rows(rng, 2):
            recorder.row(**row, episode=1)
            recorder.row(**row, episode=2)
        recorder.discard_episode(2)
    assert not list(tmp_path.iterdir())


WRITER = """
import sys, numpy as np
from action_energy.record import Recorder
recorder = Recorder(sys.argv[1])
for episode in range(1, 1000):
    for step in range(20):
        recorder.row(np.full((12, 64), episode, np.float32), np.zeros((8, 7)), episode=episode, step=step)
        recorder.flush()
    recorder.end_episode(episode, success=1.0)
    print(episode, flush=True)
"""


def test_a_crash_leaves_whole_episodes_only(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, close_fds=CLOSE_FDS
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if int(line) >= 5:
                break
        time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    found = shards(tmp_path)
    assert len(found) >= 4
    for shard in found:
        assert len(np.unique(shard["episode_id"])) == 1
        assert shard["step"].tolist() == list(range(20))
        assert np.all(shard["hidden"] == shard["episode_id"][0])
    with Recorder(str(tmp_path)):  # the next one clears up
        assert not list(tmp_path.glob("*.part"))
    assert len(shards(tmp_path)) == len(found)


def test_disk_is_bounded(tmp_path: Path) -> None:
    shard_bytes, max_bytes = 100_000, 400_000
    hidden = np.ones((S, D), np.float32)
    with Recorder(str(tmp_path), max_bytes=max_bytes, shard_bytes=shard_bytes) as recorder:
        for episode in range(12):
            for step in range(40):  # 123 kB: two shards
                recorder.row(hidden, np.zeros((H, A)), episode=episode, step=step)
                recorder.flush()
                total = sum(path.stat().st_size for path in tmp_path.iterdir())
                assert total <= max_bytes
            recorder.end_episode(episode, success=True)
        recorder.flush()
        assert recorder.error is None
        kept = shards(tmp_path)
        assert kept[-1]["episode_id"][0] == 11
        for step in range(200):  # longer than the whole budget
            recorder.row(hidden, np.zeros((H, A)), episode=99, step=step)
            recorder.flush()
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= max_bytes
        assert recorder.dropped > 0
        recorder.end_episode(99, success=True)
        recorder.flush()
        assert 99 not in {int(shard["episode_id"][0]) for shard in shards(tmp_path)}


def test_a_disk_that_fails_does_not_stop_the_robot(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    first, second = rows(rng, 2)
    with Recorder(str(tmp_path)) as recorder:
        monkeypatch.setattr(ShardWriter, "write", full)
        assert recorder.row(**first, episode=1)
        recorder.flush()
        assert isinstance(recorder.error, OSError)
        assert not recorder.row(**second, episode=1)
        recorder.end_episode(1, success=True)
    assert recorder.dropped == 1
    assert not list(tmp_path.iterdir())


def test_calibrate_reads_the_folder_as_it_stands(models: Path, bundles: Path, tmp_path: Path) -> None:
    """Candidates and outcomes with it: its report judges choosing among the policy's own samples."""
    data = load_file(str(models / "examples" / "tiny-reach-calibration.safetensors"))
    rng = np.random.default_rng(0)
    folder = tmp_path / "recordings"
    with Recorder(str(folder), queue_rows=1000) as recorder:
        episodes = data["episode_id"].astype(int)
        for i, episode in enumerate(episodes):
            chunk = data["actions"][i]
            noise = rng.normal(0, 0.1, (4, *chunk.shape)).astype(np.float32)
            noise[..., 6] = 0  # the gripper
            recorder.row(
                data["hidden"][i],
                chunk,
                mask=data["pad_mask"][i],
                candidates=np.concatenate([chunk[None], chunk + noise]),
                episode=int(episode),
                task=int(data["task_id"][i]),
                step=int(data["step"][i]),
            )
        for episode in np.unique(episodes):
            recorder.end_episode(int(episode), success=bool(episode % 2))
        recorder.flush()
        assert (recorder.dropped, recorder.error) == (0, None)
    files = sorted(str(path) for path in folder.iterdir())
    assert len(files) == len(np.unique(episodes))
    command = [*server_command(), "calibrate", str(bundles / "tiny-reach"), *files, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, close_fds=CLOSE_FDS)
    assert done.returncode == 0, done.stderr
    calibration = json.loads((bundles / "tiny-reach" / "calibration.json").read_text())
    assert calibration["data"]["rows"] == len(episodes)


def test_calibrate_reads_costs_of_candidates(models: Path, bundles: Path, tmp_path: Path) -> None:
    """The columns that `branch` writes."""
    data = load_file(str(models / "examples" / "tiny-reach-calibration.safetensors"))
    rng = np.random.default_rng(0)
    writers: Dict[int, ShardWriter] = {}
    for i, episode in enumerate(data["episode_id"].astype(int)):
        expert = data["actions"][i]
        candidates = np.clip(np.stack([expert, *rng.uniform(-1, 1, (3, *expert.shape))]), -1, 1).astype(
            np.float32
        )
        candidates[..., 6] = candidates[..., 6] > 0.5
        columns = {
            "actions": candidates[0],
            "candidates": candidates,
            "candidate_cost": np.array([0, 1, 1, rng.integers(0, 2)], np.float32),
            "task_id": np.array(data["task_id"][i], np.int64),
            "episode_id": np.array(episode, np.int64),
            "step": np.array(data["step"][i], np.int64),
        }
        if episode not in writers:
            writers[episode] = ShardWriter(tmp_path / f"branch-{episode:08d}.safetensors")
        writers[episode].write(visible_tokens(data["hidden"][i], data["pad_mask"][i]), columns)
    files = [str(writer.finish()) for writer in writers.values()]
    command = [*server_command(), "calibrate", str(bundles / "tiny-reach"), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, close_fds=CLOSE_FDS)
    assert done.returncode == 0, done.stderr
    calibration = json.loads((bundles / "tiny-reach" / "calibration.json").read_text())
    assert calibration["data"]["rows"] == len(data["actions"])
