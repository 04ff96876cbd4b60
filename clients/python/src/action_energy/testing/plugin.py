"""pytest fixtures: `pytest_plugins = ["action_energy.testing.plugin"]` in conftest.py."""

from __future__ import annotations

from typing import Iterator

import pytest

from action_energy.client import EnergyClient
from action_energy.testing.fake import FakeServer
from action_energy.testing.server import ServerProcess, start_server


@pytest.fixture(scope="session")
def energy_server() -> Iterator[ServerProcess]:
    """The real server with its bundled model, one for the whole test session. Fails with a clear message without Node."""
    with start_server(flags=["--quality-share", "0"]) as server:
        yield server


@pytest.fixture
def energy_client(energy_server: ServerProcess) -> Iterator[EnergyClient]:
    with EnergyClient(energy_server.address, deadline=30.0) as client:
        yield client


@pytest.fixture
def fake_energy_server() -> FakeServer:
    """A fake in this process: `EnergyClient(transport=fake_energy_server)`."""
    return FakeServer()
