"""openpi's wrapper, on its websocket, with the client from PyPI."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable, ClassVar, Dict, Iterator, List, Optional, Tuple

import numpy as np
import pytest
from sampled_policy import HIDDEN, SCALE, Sampler, best_of

from action_energy import EnergyClient, Unavailable
from action_energy.integrations import openpi
from action_energy.testing import FakeServer


class OpenPiPolicy(Sampler):
    metadata: ClassVar[Dict[str, str]] = {"model": "pi0"}

    def infer(self, obs: Dict[str, Any], *, noise: Optional[Any] = None) -> Dict[str, Any]:
        if noise is not None:
            assert noise.shape == (50, 32)
        return {
            "actions": self.next(),
            "state": obs["state"],
            "prefix_out": HIDDEN,
            "policy_timing": {"infer_ms": 1.0},
        }


def openpi_policy(client: EnergyClient, policy: OpenPiPolicy, **options: Any) -> openpi.EnergyPolicy:
    return openpi.EnergyPolicy(
        policy,
        client,
        context=lambda obs, out: out["prefix_out"],
        horizon=50,
        dims=32,
        to_model=lambda chunks: chunks / SCALE,
        from_model=lambda chunk: chunk * SCALE,
        **{"rule": "energy", "samples": 6, **options},
    )


@pytest.fixture
def served() -> Iterator[Callable[[Any], int]]:
    """Serves a policy on openpi's wire; the port."""
    loops: List[Tuple[asyncio.AbstractEventLoop, Any, threading.Thread]] = []

    def serve(policy: Any) -> int:
        ready: List[int] = []
        up = threading.Event()
        loop = asyncio.new_event_loop()

        def told(port: int) -> None:
            ready.append(port)
            up.set()

        task = loop.create_task(openpi.serve(policy, port=0, ready=told))

        def run() -> None:
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert up.wait(10)
        loops.append((loop, task, thread))
        return ready[0]

    yield serve
    for loop, task, thread in loops:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


# what openpi_client itself does with websockets 17
STOCK = pytest.mark.filterwarnings("ignore:connect\\(\\) must be used:DeprecationWarning")


@STOCK
def test_the_stock_openpi_client(
    client: EnergyClient, fake: FakeServer, served: Callable[[Any], int]
) -> None:
    stock = pytest.importorskip("openpi_client.websocket_client_policy")
    policy = OpenPiPolicy()
    robot = stock.WebsocketClientPolicy("127.0.0.1", served(openpi_policy(client, policy)))
    assert robot.get_server_metadata() == {"model": "pi0"}
    obs = {"state": np.arange(7.0), "image": np.zeros((8, 8, 3), np.uint8), "prompt": "pick up the cup"}
    reply = robot.infer(obs)
    np.testing.assert_allclose(reply["actions"], best_of(6))
    assert "prefix_out" not in reply
    assert reply["energy"]["origin"] == "candidate"
    assert len(reply["energy"]["energies"]) == 6
    assert reply["policy_timing"] == {"infer_ms": 1.0}
    assert reply["server_timing"]["infer_ms"] > 0
    np.testing.assert_array_equal(reply["state"], obs["state"])
    fake.fail_next(Unavailable("gone"), 50)
    policy.calls = 0
    reply = robot.infer(obs)
    np.testing.assert_allclose(reply["actions"], SCALE * 0.9)  # the policy's own
    assert reply["energy"]["fallback"] == "unavailable"
    assert reply["server_timing"]["prev_total_ms"] > 0
    robot._ws.close()


@STOCK
def test_openpi_errors_are_a_text_frame(client: EnergyClient, served: Callable[[Any], int]) -> None:
    stock = pytest.importorskip("openpi_client.websocket_client_policy")
    robot = stock.WebsocketClientPolicy("127.0.0.1", served(openpi_policy(client, OpenPiPolicy())))
    with pytest.raises(RuntimeError, match="KeyError: 'state'"):
        robot.infer({"image": np.zeros(3)})
    robot._ws.close()


def test_openpi_frames_are_those_of_the_package(rng: np.random.Generator) -> None:
    theirs = pytest.importorskip("openpi_client.msgpack_numpy")
    message = {
        "a": rng.normal(size=(2, 3)),
        "b": np.float32(2),
        "c": [1, "x", {"d": np.zeros((0, 4), np.uint8)}],
    }
    for packed, unpack in ((openpi.pack(message), theirs.unpackb), (theirs.packb(message), openpi.unpack)):
        back = unpack(packed)
        np.testing.assert_array_equal(back["a"], message["a"])
        assert back["b"] == np.float32(2)
        assert back["c"][2]["d"].shape == (0, 4)
    for wrong in (
        "text",
        b"\xc1",
        theirs.packb({b"__ndarray__": True, b"data": b"", b"dtype": "|O", b"shape": [0]}),
    ):
        with pytest.raises(ValueError, match=r"text frame|not msgpack|dtype"):
            openpi.unpack(wrong)


def test_openpi_average_and_policy_faults(client: EnergyClient) -> None:
    policy = OpenPiPolicy()
    wrapped = openpi_policy(client, policy, rule="consensus_mean", samples=3)
    reply = wrapped.infer({"state": 0})
    np.testing.assert_allclose(reply["actions"], SCALE * 0.8, rtol=1e-6)
    policy.calls, policy.fails_from = 0, 2  # the second sample works, the third does not
    reply = wrapped.infer({"state": 0})
    np.testing.assert_allclose(reply["actions"], SCALE * 0.9, rtol=1e-6)
    assert reply["energy"]["fallback"] == "proposal"
    policy.fails_from = 0
    with pytest.raises(RuntimeError, match="cannot sample"):  # as the bare policy
        wrapped.infer({"state": 0})
    assert wrapped.metadata == {"model": "pi0"}
    wrapped.reset()
