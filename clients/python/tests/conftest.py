"""Tests run against the real server, built from the checkout that this package lies in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator

import ml_dtypes  # noqa: F401  registers bfloat16 with NumPy, for safetensors
import numpy as np
import pytest
from safetensors.numpy import load_file

from action_energy import EnergyClient
from action_energy.testing import FakeServer

ROOT = Path(__file__).resolve().parents[3]
os.environ.setdefault("ACTION_ENERGY_SERVER", str(ROOT / "dist" / "src" / "cli" / "main.js"))
MODELS = ROOT / "models"

pytest_plugins = ["action_energy.testing.plugin"]


@pytest.fixture(scope="session")
def example() -> Dict[str, Any]:
    """4 contexts [24, 64] bfloat16 with masks, 16 candidates each; `actions` are the experts'."""
    return load_file(str(MODELS / "examples" / "tiny-reach.safetensors"))


@pytest.fixture(scope="session")
def models() -> Path:
    """The repository's models/."""
    return MODELS


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder of bundles of its own, with the bundled model."""
    shutil.copytree(MODELS / "tiny-reach", tmp_path / "models" / "tiny-reach")
    return tmp_path / "models"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(fake: FakeServer) -> Iterator[EnergyClient]:
    with EnergyClient(transport=fake, deadline=5.0) as client:
        yield client
