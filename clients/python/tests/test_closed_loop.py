"""examples/closed_loop: that it runs, and that its figures are what they say."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from action_energy.testing.server import CLOSE_FDS

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "closed_loop"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def test_all_of_it_runs(tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason="MuJoCo and Meta-World are not installed")
    pytest.importorskip("matplotlib")
    import trial

    folder = tmp_path / "loop"
    command = [sys.executable, "-W", "ignore", str(FOLDER / "run.py"), "--quick", "--output", str(folder)]
    command += ["--workers", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, close_fds=CLOSE_FDS)
    assert ended.returncode == 0, ended.stderr
    results = json.loads((folder / "results.json").read_text())
    assert [arm["arm"] for arm in results["arms"]] == [arm.name for arm in trial.ARMS]
    own = results["arms"][0]
    assert own["less_policy"] == {"value": 0, "low": 0, "high": 0}
    assert own["replaced"] == 0
    assert results["arms"][2]["replaced"] == 1  # a mean is no sample
    assert results["before"]["updates"] > 0
    assert results["after"]["decisive"]["of"] == results["branches"]["states"]
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore")
def test_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("metaworld", reason="MuJoCo and Meta-World are not installed")
    import run

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text("{}")
    for arguments, wanted in (
        (["--tasks", "push-v3", "--output", str(tmp_path / "new")], "held out"),
        (["--tasks", "pusch-v3", "--output", str(tmp_path / "new")], "not a task"),
        (["--scale", "nan", "--output", str(tmp_path / "new")], "above 0"),
        (["--quick", "--output", str(tmp_path / "other")], "other sizes"),
    ):
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        with pytest.raises(SystemExit, match="2"):
            run.main()
        assert wanted in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_paired_differences_of_planted_episodes() -> None:
    """A wins 3 of 4 and 0 of 2, the policy alone 1 of 4 and 1 of 2; the tasks count alike."""
    import trial

    won = {"policy alone": ([1, 0, 0, 0], [1, 0]), "energy, after": ([1, 1, 1, 0], [0, 0])}
    episodes = [
        trial.Episode(arm.name, task, seed, bool(success), decisions=2, replaced=1)
        for arm in trial.ARMS
        for task, wins in zip(("a", "b"), won.get(arm.name, won["policy alone"]))
        for seed, success in enumerate(wins)
    ]
    found = {result.arm: result for result in trial.results_of(episodes[::-1])}
    chosen = found["energy, after"]
    assert chosen.by_task == {"a": 0.75, "b": 0.0}
    assert chosen.success.value == pytest.approx(0.375)
    differences = [np.array([0, 1, 1, 0]), np.array([-1, 0])]
    half = 1.96 * math.sqrt(sum(d.var(ddof=1) / len(d) for d in differences)) / 2
    less = chosen.less_policy
    assert (less.value, less.low, less.high) == pytest.approx((0.0, -half, half))
    assert found["policy alone"].less_policy.high == 0
    assert chosen.replaced == 0.5
