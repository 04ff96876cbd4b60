from __future__ import annotations

import time
from typing import Any, Dict

import numpy as np
import pytest

from action_energy import EnergyClient, InvalidInput, NotFound, Unavailable
from action_energy.testing import FakeServer, ServerProcess

Example = Dict[str, Any]


def test_the_newest_answer_wins(energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][0], example["pad_mask"][0], example["candidates"][0]
    expected = energy_client.rank(hidden, chunks, mask=mask)
    with energy_client.stream() as stream:
        assert stream.latest() is None
        last = 0
        for _ in range(30):
            last = stream.submit(hidden, chunks, mask=mask)
        answer = stream.latest(wait=30, newer_than=last - 1)
        assert answer is not None
        assert answer.ranking is not None
        assert answer.request_id == last
        assert answer.age > 0
        np.testing.assert_allclose(answer.ranking.energies, expected.energies, atol=1e-5)
        assert stream.latest(wait=0.01, newer_than=last) is answer
        assert stream.error is None
    with pytest.raises(Unavailable):
        stream.submit(hidden, chunks, mask=mask)


def test_a_kept_context_on_a_stream(energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][0], example["pad_mask"][0], example["candidates"][0]
    with energy_client.context(hidden, mask=mask) as context, energy_client.stream() as stream:
        for _ in range(3):
            asked = stream.submit(context, chunks)
            assert stream.latest(wait=30, newer_than=asked - 1)
            assert context.id is not None
        energy_client._run(energy_client._operations.drop_context(context.handle, None))
        context.handle.id = "gone"
        asked = stream.submit(context, chunks)
        deadline = time.monotonic() + 30
        while stream.error is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert isinstance(stream.error, NotFound)
        assert context.id is None  # so that the next request sends it along
        asked = stream.submit(context, chunks)
        answer = stream.latest(wait=30, newer_than=asked - 1)
        assert answer is not None
        assert answer.request_id == asked


def test_a_bad_request_fails_alone(energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][0], example["pad_mask"][0], example["candidates"][0]
    with energy_client.stream() as stream:
        with pytest.raises(InvalidInput):
            stream.submit(hidden, chunks[:, :2], mask=mask)
        stream.submit(hidden, chunks, mask=mask, tau=-1.0, supersede=False)
        good = stream.submit(hidden, chunks, mask=mask, supersede=False)
        answer = stream.latest(wait=30, newer_than=good - 1)
        assert answer is not None
        assert answer.request_id == good


def test_a_stream_outlives_its_server(energy_server: ServerProcess, example: Example) -> None:
    """Restarted on the same port: the next answers come by themselves."""
    from action_energy.testing import start_server

    hidden, mask, chunks = example["hidden"][0], example["pad_mask"][0], example["candidates"][0]
    server = start_server(flags=["--quality-share", "0"])
    try:
        with EnergyClient(server.address, deadline=30) as client, client.stream() as stream:
            asked = stream.submit(hidden, chunks, mask=mask)
            assert stream.latest(wait=30, newer_than=asked - 1)
            server.kill()
            asked = stream.submit(hidden, chunks, mask=mask)
            time.sleep(0.3)
            assert isinstance(stream.error, Unavailable)
            old = stream.latest()
            assert old is not None
            assert old.request_id < asked
            server = server.restarted().wait()
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                asked = stream.submit(hidden, chunks, mask=mask)
                newest = stream.latest(wait=0.2, newer_than=asked - 1)
                if newest is not None and newest.request_id == asked:
                    break
            else:
                pytest.fail(f"no answer after the restart: {stream.error}")
            assert stream.error is None
    finally:
        server.stop()


def test_a_fake_stream() -> None:
    fake = FakeServer()
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(24, 64)).astype(np.float32)
    with EnergyClient(transport=fake) as client, client.stream() as stream:
        asked = stream.submit(hidden, np.zeros((2, 8, 7)))
        answer = stream.latest(wait=10, newer_than=asked - 1)
        assert answer is not None
        assert answer.ranking is not None
