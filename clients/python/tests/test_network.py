"""Peers and processes that misbehave."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from typing import Iterator, Tuple

import numpy as np
import pytest

from action_energy import DeadlineExceeded, EnergyClient, EnergyError
from action_energy.testing import ServerProcess
from action_energy.testing.server import CLOSE_FDS

PATIENCE = 30.0


@pytest.fixture
def silent() -> Iterator[str]:
    """A peer that accepts connections and says nothing, as a machine that hangs does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []
        listener.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    continue

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join(PATIENCE)
        for connection in held:
            connection.close()


@pytest.fixture
def garbled() -> Iterator[str]:
    """A peer that speaks another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    continue
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join(PATIENCE)


def inputs() -> Tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(24, 64)).astype(np.float32), rng.uniform(0, 1, (3, 8, 7))


def test_a_peer_that_says_nothing(silent: str) -> None:
    hidden, chunks = inputs()
    with EnergyClient(silent, deadline=0.1) as client:
        for _ in range(3):
            start = time.monotonic()
            chosen = client.select(hidden, chunks, baseline=1)
            assert time.monotonic() - start < PATIENCE
            assert chosen.is_baseline
            np.testing.assert_array_equal(chosen.chunk, chunks[1])
        with pytest.raises(EnergyError):
            client.rank(hidden, chunks)
        with pytest.raises(DeadlineExceeded, match="not ready"):
            client.wait_until_ready(timeout=0.2)


def test_a_peer_that_speaks_something_else(garbled: str) -> None:
    hidden, chunks = inputs()
    with EnergyClient(garbled, deadline=0.3) as client:
        chosen = client.select(hidden, chunks)
        assert chosen.is_baseline
        assert chosen.error is not None


def test_a_closed_client_says_so(energy_server: ServerProcess) -> None:
    hidden, chunks = inputs()
    client = EnergyClient(energy_server.address)
    client.model()
    client.close()
    assert client.select(hidden, chunks).fallback == "unavailable"
    with pytest.raises(EnergyError, match="closed"):
        client.rank(hidden, chunks)


FORKS = """
import os, sys
from action_energy import EnergyClient
with EnergyClient(sys.argv[1], deadline=10) as client:
    assert client.health() == "SERVING"
    child = os.fork()
    if child == 0:
        os._exit(0 if client.health() == "SERVING" else 2)
    assert os.waitpid(child, 0)[1] == 0
    assert client.health() == "SERVING"
"""


def test_a_child_process_has_a_connection_of_its_own(energy_server: ServerProcess) -> None:
    """Policy servers fork their workers after the client was made and used. In an interpreter of its own: a fork takes along
    whatever gRPC other tests have under way."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, energy_server.address]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE, close_fds=CLOSE_FDS
    )
    assert ended.returncode == 0, ended.stderr
