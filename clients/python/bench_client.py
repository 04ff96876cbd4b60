"""What this package adds to a call: `python bench_client.py` (in an environment with requirements-dev.txt and the package).

Against a gRPC server in a process of its own that takes a request and answers at once, so that the client alone is measured:
`rank` from torch bfloat16 [600, 4096] (4.9 MB) and 16 candidates beside raw grpcio that is handed the same bytes: ready
made ("bytes": the same object every time), copied once from the caller's memory, as any client must whose hidden states
change ("copied"), and through the usual protobuf code ("protobuf": Tensor messages, SerializeToString). Calls take turns in random order; p50 of the differences within a turn, so that a busy machine disturbs all alike.

Then, in this process: what each wrapper adds beside its policy's samples and the selection, and what the recorder takes
from a loop for a row of 4.9 MB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
import time
from concurrent import futures
from typing import Any, Callable, Dict, List, Tuple

import grpc
import numpy as np

from action_energy import BFloat16, EnergyClient
from action_energy._proto import energy_pb2, tensor_pb2
from action_energy.integrations import groot, lerobot, openpi, openvla
from action_energy.integrations.choosing import Choice, Proposal
from action_energy.operations import SCORE_ACTIONS
from action_energy.record import Recorder
from action_energy.testing import FakeServer
from action_energy.transport import CHANNEL_OPTIONS

S, D, N, H, A = 600, 4096, 16, 8, 7


def serve(pipe: Any) -> None:
    """Answers every request with the fake's answer to a small one, without looking at it."""
    fake = FakeServer(state_dim=D, action_dim=A, chunk=H)
    with EnergyClient(transport=fake) as client:
        client.rank(np.ones((2, D), np.float32), np.zeros((N, H, A)))
    answer = fake.call(SCORE_ACTIONS, fake.requests[-1][1].SerializeToString(), None)

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            if details.method == SCORE_ACTIONS:
                return grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: fake.call(details.method, request, None)
            )

    server = grpc.server(futures.ThreadPoolExecutor(2), options=CHANNEL_OPTIONS)
    server.add_generic_rpc_handlers((Handler(),))
    pipe.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    pipe.recv()
    server.stop(0)


def contexts() -> Dict[str, Any]:
    words = np.random.default_rng(0).normal(size=(S, D)).astype(np.float32).view(np.uint32) >> 16
    bits = words.astype(np.uint16)
    try:
        import torch
    except ImportError:
        return {"BFloat16 words": BFloat16(bits), "words": bits}
    return {"torch bfloat16": torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16), "words": bits}


def wrappers_ms(turns: int) -> Dict[str, float]:
    """p50 of each wrapper's call less its policy's samples and the select call; the fake answers."""
    samples, hidden = 8, np.random.default_rng(0).normal(size=(S, D)).astype(np.float32)
    chunks = np.random.default_rng(1).uniform(-1, 1, (samples, H, A)).astype(np.float32)
    inside: List[float] = []

    def sample() -> np.ndarray:
        start = time.perf_counter()
        chunk = chunks[len(inside) % samples]
        inside.append(time.perf_counter() - start)
        return chunk

    class OpenPi:
        def infer(self, obs: Dict[str, Any], *, noise: Any = None) -> Dict[str, Any]:
            return {"actions": sample(), "prefix_out": hidden}

    class Groot:
        def get_action(self, observation: Dict[str, Any], options: Any = None) -> groot.Answer:
            return {"arm": sample()[None]}, {}

    class LeRobot:
        def _get_action_chunk(self, observation: Any) -> np.ndarray:
            return sample()[None]

    def openvla_sample(observation: Dict[str, Any]) -> Tuple[Any, Callable[[], Proposal]]:
        own = sample()
        return own, lambda: Proposal(hidden, np.stack([own, *(sample() for _ in range(samples - 1))]))

    fake = FakeServer(state_dim=D, energy=lambda hidden, chunks: np.zeros(len(chunks)).tolist())
    found: Dict[str, float] = {}
    with EnergyClient(transport=fake) as client:
        how: Dict[str, Any] = {"samples": samples, "rule": "energy"}
        last: List[Choice] = []
        server = LeRobot()
        lerobot.choose_in(server, client, context=lambda *_: hidden, on_choice=last.append, **how)
        pi = openpi.EnergyPolicy(OpenPi(), client, context=lambda *_: hidden, horizon=50, dims=32, **how)
        joints = groot.Joints((("arm", A),))
        gr00t = groot.EnergyPolicy(Groot(), client, joints=joints, context=lambda *_: hidden, **how)
        openvla_server = openvla.Server(openvla_sample, client, port=0, rule="energy")

        def lerobot_info() -> Dict[str, Any]:
            server._get_action_chunk({})
            return last.pop().info

        ways: Dict[str, Callable[[], Dict[str, Any]]] = {
            "openpi": lambda: pi.infer({})["energy"],
            "LeRobot": lerobot_info,
            "GR00T": lambda: gr00t.get_action({})[1]["energy"],
            "OpenVLA-OFT": lambda: openvla_server.act({})[1],
        }
        for way, call in ways.items():
            added: List[float] = []
            for _ in range(turns):
                inside.clear()
                fake.requests.clear()  # it keeps every message, 9.8 MB here
                start = time.perf_counter()
                info = call()
                added.append(time.perf_counter() - start - sum(inside) - info["select_ms"] / 1e3)
            found[way] = 1e3 * float(np.median(added[5:]))
    return found


def recorder_ms(rows: int) -> Dict[str, float]:
    """p50 and p99 of `Recorder.row`, at 10 Hz as a loop calls it."""
    hidden = BFloat16(np.random.default_rng(0).integers(0, 1 << 15, (S, D)).astype(np.uint16))
    chunks = np.zeros((N, H, A), np.float32)
    taken: List[float] = []
    with tempfile.TemporaryDirectory() as folder, Recorder(folder, max_bytes=2 << 30) as recorder:
        for step in range(rows):
            start = time.perf_counter()
            recorder.row(hidden, chunks[0], candidates=chunks, episode=1, step=step)
            taken.append(time.perf_counter() - start)
            time.sleep(max(0.0, 0.1 - taken[-1]))
        recorder.end_episode(1, success=True)
        recorder.flush()
        dropped = recorder.dropped
    return {
        "p50_ms": 1e3 * float(np.median(taken)),
        "p99_ms": 1e3 * float(np.quantile(taken, 0.99)),
        "dropped": dropped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    address = f"127.0.0.1:{ours.recv()}"
    given = contexts()
    words = given.pop("words")
    label, hidden = next(iter(given.items()))
    chunks = np.random.default_rng(1).uniform(-1, 1, (N, H, A)).astype(np.float32)
    mask = np.zeros(S, bool)
    mask[-64:] = True

    def tensor(array: np.ndarray, dtype: Any) -> tensor_pb2.Tensor:
        return tensor_pb2.Tensor(dtype=dtype, shape=array.shape, data=array.tobytes())

    def request() -> energy_pb2.ScoreActionsRequest:
        hidden_tensor = tensor(words, tensor_pb2.Tensor.BFLOAT16)
        return energy_pb2.ScoreActionsRequest(
            inline=energy_pb2.InlineContext(hidden=hidden_tensor),
            candidates=tensor(chunks, tensor_pb2.Tensor.FLOAT32),
        )

    with (
        EnergyClient(address, deadline=30) as client,
        grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel,
    ):
        raw = channel.unary_unary(SCORE_ACTIONS)
        payload = request().SerializeToString()
        ways = {
            "bytes": lambda: raw(payload, timeout=30),
            "copied": lambda: raw(
                b"".join([memoryview(words).cast("B"), payload[words.nbytes :]]), timeout=30
            ),
            "protobuf": lambda: energy_pb2.ScoreActionsResponse.FromString(
                raw(request().SerializeToString(), timeout=30)
            ),
            "rank": lambda: client.rank(hidden, chunks),
            "rank, 64 tokens masked": lambda: client.rank(hidden, chunks, mask=mask),
        }
        seconds: Dict[str, List[float]] = {way: [] for way in ways}
        for turn in range(options.turns + 20):
            for way, call in random.sample(
                list(ways.items()), len(ways)
            ):  # what came before leaves its traces
                start = time.perf_counter()
                call()
                if turn >= 20:
                    seconds[way].append(time.perf_counter() - start)
    ours.send("stop")
    process.join(10)
    base = np.array(seconds["bytes"])
    rows = {
        way: {
            "p50_ms": 1e3 * float(np.median(taken)),
            "over_bytes_p50_ms": 1e3 * float(np.median(np.array(taken) - base)),
            "over_copied_p50_ms": 1e3 * float(np.median(np.array(taken) - np.array(seconds["copied"]))),
        }
        for way, taken in seconds.items()
    }
    wrappers, recorder = wrappers_ms(options.turns), recorder_ms(100)
    if options.json:
        found = {"context": label, "megabytes": len(payload) / 1e6, "turns": options.turns, "rows": rows}
        print(json.dumps({**found, "wrappers_ms": wrappers, "recorder": recorder}))
        return
    print(f"{label} [{S}, {D}], {len(payload) / 1e6:.1f} MB, {options.turns} turns")
    for way, row in rows.items():
        over = f"over bytes {row['over_bytes_p50_ms']:+6.2f} ms   over copied {row['over_copied_p50_ms']:+6.2f} ms"
        print(f"{way:24} p50 {row['p50_ms']:6.2f} ms   {over}")
    for way, added in wrappers.items():
        print(f"{way + ' wrapper':24} p50 {added:6.2f} ms   beside 8 samples and the selection")
    share = recorder["p50_ms"] / 100
    print(
        f"recorder                 p50 {recorder['p50_ms']:6.2f} ms   p99 {recorder['p99_ms']:.2f} ms a row of 4.9 MB: "
        f"{share:.1%} of a 10 Hz loop; {recorder['dropped']} rows dropped"
    )


if __name__ == "__main__":
    main()
