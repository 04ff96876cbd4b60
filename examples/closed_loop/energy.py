"""The energy model of this example, made by the commands of action-energy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Dict

from action_energy.testing.server import server_command

from policy import D, H
from simulator import ACTION

CARD: Dict[str, Any] = {
    "format": "action-energy/1",
    "name": "closed-loop",
    "architecture": "global_context",
    "activation": "relu",
    "readout": {"kind": "linear"},  # E is the logit itself: nothing saturates
    "state_dim": D,
    "action_dim": ACTION,
    "chunk": H,
    "hidden": 64,
    "layers": 2,
    "tau": 1.0,
    "actions": {"units": "normalized_q99", "names": ["x", "y", "z", "gripper"]},
    "mask_polarity": "true_is_ignored",
}


def write_card(path: Path) -> Path:
    path.write_text(json.dumps(CARD, indent=2))
    return path


def run_command(*arguments: object) -> Dict[str, Any]:
    """What `action-energy ARGUMENTS --json` answers. Errors: `RuntimeError` with what it said."""
    command = [*server_command(), *map(str, arguments), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr}{ended.stdout}"
        )
    answer: Dict[str, Any] = json.loads(ended.stdout)
    return answer
