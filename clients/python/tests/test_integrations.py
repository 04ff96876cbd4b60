"""The wrappers on their wires, with the fake's energies: the lowest energy is the chunk nearest to tanh(mean(hidden))."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from typing import Any, Callable, ClassVar, Dict, Iterator, List, Optional, Tuple

import numpy as np
import pytest

from action_energy import EnergyClient, Unavailable
from action_energy.integrations import groot, lerobot, openpi, openvla
from action_energy.integrations.choosing import Chooser, Proposal
from action_energy.record import Recorder
from action_energy.testing import FakeServer

S, D, H, A = 24, 64, 8, 7
HIDDEN = np.random.default_rng(5).normal(size=(S, D)).astype(np.float32)
SCALE = 0.25  # robot units of one model unit


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(fake: FakeServer) -> Iterator[EnergyClient]:
    with EnergyClient(transport=fake, deadline=5.0) as client:
        yield client


class Sampler:
    """A policy whose samples are told apart: number i is all i/10, in robot units; the worst comes first."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails_from = 10**9

    def next(self) -> np.ndarray:
        if self.calls >= self.fails_from:
            raise RuntimeError("the policy cannot sample")
        self.calls += 1
        return np.full((H, A), SCALE * (1 - self.calls / 10), np.float32)


def best_of(count: int) -> np.ndarray:
    target = np.tanh(HIDDEN.mean(dtype=np.float64))
    chunks = [1 - (i + 1) / 10 for i in range(count)]
    return np.full((H, A), SCALE * min(chunks, key=lambda value: abs(value - target)), np.float32)


# --- openpi


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


# --- LeRobot


class LeRobotServer(Sampler):
    """What matters of LeRobot's PolicyServer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = HIDDEN

    def _get_action_chunk(self, observation: Any) -> Any:
        import torch

        return torch.from_numpy(self.next() / SCALE)[None]

    def predict(self, observation: Any) -> Any:
        return self._get_action_chunk(observation) * SCALE  # the postprocessor


def test_lerobot(client: EnergyClient, fake: FakeServer) -> None:
    torch = pytest.importorskip("torch")
    server, choices = LeRobotServer(), []
    lerobot.choose_in(
        server,
        client,
        context=lambda s, obs, chunk: s.hidden,
        samples=6,
        rule="energy",
        on_choice=choices.append,
    )
    chosen = server.predict({})
    assert chosen.shape == (1, H, A)
    np.testing.assert_allclose(chosen[0].numpy(), best_of(6), rtol=1e-6)
    assert choices[-1].info["origin"] == "candidate"
    fake.fail_next(Unavailable("gone"), 50)
    server.calls = 0
    np.testing.assert_allclose(server.predict({})[0].numpy(), SCALE * 0.9, rtol=1e-6)
    fake._failures.clear()
    averaging = LeRobotServer()
    lerobot.choose_in(
        averaging, client, context=lambda s, obs, chunk: s.hidden, samples=3, rule="consensus_mean"
    )
    average = averaging.predict({})
    assert average.dtype == torch.float32
    np.testing.assert_allclose(average[0].numpy(), SCALE * 0.8, rtol=1e-6)
    with pytest.raises(ValueError, match="_get_action_chunk"):
        lerobot.choose_in(object(), client, context=lambda s, obs, chunk: HIDDEN)


# --- GR00T


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


# --- OpenVLA-OFT


class OpenVla(Sampler):
    """A deterministic policy with candidates from early layers, as the energy fork's predict_action gives them."""

    def sample(self, observation: Dict[str, Any]) -> Tuple[Any, Callable[[], Proposal]]:
        assert observation["full_image"].dtype == np.uint8
        self.calls = 0
        own = self.next()

        def propose() -> Proposal:
            layers = [self.next() / SCALE for _ in range(5)]
            mask = np.arange(S) >= S - 4
            return Proposal(HIDDEN, np.stack([own / SCALE, *layers]), mask)

        return own, propose


def test_openvla_on_its_wire(client: EnergyClient, fake: FakeServer) -> None:
    json_numpy = pytest.importorskip("json_numpy")
    fake.energy = lambda hidden, chunks: chunks.mean(axis=(1, 2)).tolist()  # the last one is lowest
    policy = OpenVla()
    server = openvla.Server(
        policy.sample, client, port=0, rule="energy", from_model=lambda chunk: chunk * SCALE
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def post(body: str, path: str = "/act") -> Tuple[Any, Dict[str, Any]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}{path}", body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read()), json.loads(reply.headers.get("X-Action-Energy") or "{}")

    observation = {
        "full_image": np.zeros((8, 8, 3), np.uint8),
        "state": np.zeros(8),
        "instruction": "pick up the cup",
    }
    body = json_numpy.dumps(observation)
    try:
        reply, info = post(body)
        chunk = np.stack([json_numpy.loads(json.dumps(action)) for action in reply])
        np.testing.assert_allclose(chunk, np.full((H, A), SCALE * 0.4), rtol=1e-6)
        assert info["index"] == 5
        assert len(info["energies"]) == 6
        text, _ = post(json.dumps({"encoded": body}))
        assert isinstance(text, str)
        np.testing.assert_array_equal(np.stack(json_numpy.loads(text)), chunk)
        fake.fail_next(Unavailable("gone"), 50)
        reply, info = post(body)
        chunk = np.stack([json_numpy.loads(json.dumps(action)) for action in reply])
        np.testing.assert_allclose(chunk, SCALE * 0.9, rtol=1e-6)
        assert info["fallback"] == "unavailable"
        for wrong in (
            "not json",
            "[]",
            json.dumps({"encoded": body, "more": 1}),
            json_numpy.dumps({"instruction": "no image"}),
        ):
            assert post(wrong) == ("error", {})
        lie = json.dumps({"full_image": {"__numpy__": "AAAA", "dtype": "<f8", "shape": [1000]}})
        assert post(lie)[0] == "error"
        with pytest.raises(urllib.error.HTTPError):
            post(body, "/other")
        fake._failures.clear()
        assert post(body)[1]["index"] == 5
    finally:
        server.stop()
        thread.join(10)


def test_arrays_as_json_numpy_has_them(rng: np.random.Generator) -> None:
    json_numpy = pytest.importorskip("json_numpy")
    for array in (
        rng.normal(size=(2, 3)),
        np.zeros((0, 4), np.uint8),
        np.asfortranarray(rng.normal(size=(3, 2))),
    ):
        ours = json.dumps(array, default=openvla.encode)
        np.testing.assert_array_equal(json_numpy.loads(ours), array)
        np.testing.assert_array_equal(json.loads(json_numpy.dumps(array), object_hook=openvla.decode), array)
    for dtype in ("|O", "V8"):
        with pytest.raises(ValueError, match="dtype"):
            openvla.decode({"__numpy__": "AAAA", "dtype": dtype, "shape": []})


# --- what they share


def test_decisions_are_recorded(client: EnergyClient, fake: FakeServer, tmp_path: Any) -> None:
    chunks = np.random.default_rng(0).uniform(-1, 1, (4, H, A)).astype(np.float32)
    with Recorder(str(tmp_path)) as recorder:
        chooser = Chooser(client, rule="energy", recorder=recorder)
        for _ in range(3):
            chooser.choose(lambda: Proposal(HIDDEN, chunks))
        chooser.reset(success=True)
        chooser.choose(lambda: Proposal(HIDDEN, chunks))
        chooser.reset()  # nobody knows how that one ended
        recorder.flush()
        assert recorder.error is None
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    asked = [message for method, message in fake.requests if method == "SelectAction"]
    assert [message.episode_step for message in asked] == [0, 1, 2, 0]
    assert len({message.episode_id for message in asked}) == 2
