"""What this package adds to a call: `python bench_client.py` (in an environment with the package, grpcio and PyTorch).

Against a gRPC server in a process of its own that takes a request and answers at once, so that the client alone is measured:
`rank` from torch bfloat16 [600, 4096] (4.9 MB) and 16 candidates beside raw grpcio that is handed the same bytes: ready
made ("bytes": the same object every time), copied once from the caller's memory, as any client must whose hidden states
change ("copied"), and through the usual protobuf code ("protobuf": Tensor messages, SerializeToString). Calls take turns in random order; p50 of the differences within a turn, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import time
from concurrent import futures
from typing import Any, Dict, List

import grpc
import numpy as np

from action_energy import BFloat16, EnergyClient
from action_energy._proto import energy_pb2, tensor_pb2
from action_energy.operations import SCORE_ACTIONS
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
    if options.json:
        print(
            json.dumps(
                {"context": label, "megabytes": len(payload) / 1e6, "turns": options.turns, "rows": rows}
            )
        )
        return
    print(f"{label} [{S}, {D}], {len(payload) / 1e6:.1f} MB, {options.turns} turns")
    for way, row in rows.items():
        over = f"over bytes {row['over_bytes_p50_ms']:+6.2f} ms   over copied {row['over_copied_p50_ms']:+6.2f} ms"
        print(f"{way:24} p50 {row['p50_ms']:6.2f} ms   {over}")


if __name__ == "__main__":
    main()
