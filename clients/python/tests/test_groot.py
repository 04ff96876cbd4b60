"""GR00T's wrapper, on its ZMQ wire."""

from __future__ import annotations

import threading
from typing import Any, Dict, Optional

import numpy as np
import pytest
from sampled_policy import HIDDEN, SCALE, H, Sampler, best_of

from action_energy import EnergyClient, Unavailable
from action_energy.integrations import groot
from action_energy.testing import FakeServer


class GrootPolicy(Sampler):
    def get_action(
        self, observation: Dict[str, Any], options: Optional[Dict[str, Any]] = None
    ) -> groot.Answer:
        chunk = self.next()
        if "arm" not in observation:
            raise KeyError("arm")
        return {"arm": chunk[None, :, :6], "gripper": chunk[None, :, 6:], "base": np.zeros((1, H, 2))}, {
            "t": 1
        }

    def get_modality_config(self) -> Dict[str, Any]:
        return {"action": ["arm", "gripper"]}


class GrootClient:
    """The documented side of the robot: gr00t is not on PyPI."""

    def __init__(self, address: str, token: Optional[str] = None) -> None:
        import zmq

        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.REQ)
        self.socket.setsockopt(zmq.RCVTIMEO, 10_000)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(address)
        self._token = token

    def call(self, endpoint: str, data: Optional[Dict[str, Any]] = None) -> Any:
        request: Dict[str, Any] = {"endpoint": endpoint}
        if data is not None:
            request["data"] = data
        if self._token is not None:
            request["api_token"] = self._token
        self.socket.send(groot.pack(request))
        return groot.unpack(self.socket.recv())

    def close(self) -> None:
        self.socket.close()
        self._context.term()


def test_groot_on_its_wire(client: EnergyClient, fake: FakeServer) -> None:
    pytest.importorskip("zmq")
    policy = GrootPolicy()
    joints = groot.Joints((("arm", 6), ("gripper", 1)))
    wrapped = groot.EnergyPolicy(
        policy,
        client,
        joints=joints,
        context=lambda obs, answer: HIDDEN,
        samples=6,
        rule="energy",
        to_model=lambda chunks: chunks / SCALE,
        from_model=lambda chunk: chunk * SCALE,
    )
    server = groot.Server(wrapped, port=0, api_token="secret")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    robot, stranger = GrootClient(server.address, "secret"), GrootClient(server.address)
    try:
        assert robot.call("ping")["status"] == "ok"
        assert "Unauthorized" in stranger.call("ping")["error"]
        assert robot.call("get_modality_config") == {"action": ["arm", "gripper"]}
        observation = {"arm": np.zeros((1, 6), np.float32), "video": np.zeros((1, 4, 4, 3), np.uint8)}
        actions, info = robot.call("get_action", {"observation": observation, "options": None})
        assert {name: array.shape for name, array in actions.items()} == {
            "arm": (1, H, 6),
            "gripper": (1, H, 1),
            "base": (1, H, 2),
        }
        np.testing.assert_allclose(joints.chunk(actions), best_of(6))
        assert info["t"] == 1
        assert info["energy"]["origin"] == "candidate"
        assert len(info["energy"]["energies"]) == 6
        fake.fail_next(Unavailable("gone"), 50)
        policy.calls = 0
        actions, info = robot.call("get_action", {"observation": observation})
        np.testing.assert_allclose(joints.chunk(actions), SCALE * 0.9)
        assert info["energy"]["fallback"] == "unavailable"
        assert robot.call("reset", {"options": None}) == {}
        assert "KeyError" in robot.call("get_action", {"observation": {}})["error"]
        assert "no endpoint" in robot.call("kill")["error"]
        robot.socket.send(b"\xc1 not msgpack")
        assert "error" in groot.unpack(robot.socket.recv())
        assert robot.call("ping")["status"] == "ok"  # it still answers
    finally:
        server.stop()
        thread.join(10)
        robot.close()
        stranger.close()


def test_groot_average(client: EnergyClient) -> None:
    joints = groot.Joints((("arm", 6), ("gripper", 1)))
    wrapped = groot.EnergyPolicy(
        GrootPolicy(),
        client,
        joints=joints,
        context=lambda obs, answer: HIDDEN,
        samples=3,
        rule="consensus_mean",
    )
    actions, _ = wrapped.get_action({"arm": 0})
    np.testing.assert_allclose(joints.chunk(actions), SCALE * 0.8, rtol=1e-6)
    assert actions["arm"].shape == (1, H, 6)
    for wrong in ({"arm": np.zeros((1, H, 6))}, {"arm": np.zeros((1, H, 5)), "gripper": np.zeros((1, H, 1))}):
        with pytest.raises(ValueError, match=r"does not fit|no such action group"):
            joints.chunk(wrong)
