"""The code blocks of docs/python.md and README.md, run one after the other as a reader would."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from action_energy.testing import ServerProcess

ROOT = Path(__file__).resolve().parents[3]


class Robot:
    """Runs for three ticks and keeps what it executes."""

    def __init__(self) -> None:
        self.executed: list[np.ndarray] = []

    def running(self) -> bool:
        return len(self.executed) < 3

    def observation(self) -> int:
        return len(self.executed)

    def execute(self, chunk: np.ndarray) -> None:
        assert chunk.shape == (8, 7)
        self.executed.append(chunk)


class Policy:
    def __init__(self, example: Dict[str, Any]) -> None:
        self._example = example

    def sample(self, observation: int, n: int) -> Any:
        return (
            self._example["hidden"][observation],
            self._example["pad_mask"][observation],
            self._example["candidates"][observation][:n],
        )


def blocks(page: str) -> str:
    text = (ROOT / page).read_text()
    found = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert found
    return "\n".join(found)


@pytest.mark.parametrize("page", ["docs/python.md", "clients/python/README.md"])
def test_code_blocks(
    page: str,
    energy_server: ServerProcess,
    example: Dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        blocks(page).replace("127.0.0.1:50051", energy_server.address).replace("deadline=0.05", "deadline=30")
    )
    code = code.replace("deadline=0.5", "deadline=30")
    robot = Robot()
    policy = Policy(example)
    hidden, mask, candidates = policy.sample(0, 16)
    monkeypatch.chdir(tmp_path)
    names = {"robot": robot, "policy": policy, "hidden": hidden, "mask": mask, "candidates": candidates}
    exec(compile(code, page, "exec"), names)
    names["client"].close()  # type: ignore[attr-defined]
    assert robot.executed
    assert os.getcwd() == str(tmp_path)
