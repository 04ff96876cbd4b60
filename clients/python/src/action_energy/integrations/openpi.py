"""openpi (pi0, pi0.5): a policy whose `infer` samples N chunks and gives the chosen one back, in the server's own format.

    policy = EnergyPolicy(policy, client, samples=8, horizon=50, dims=32, context=lambda obs, out: out["prefix_out"],
                          to_model=stats.normalize, from_model=stats.denormalize)
    WebsocketPolicyServer(policy).serve_forever()      # openpi's own, or `serve` below

Stock clients (openpi-client) see what they always saw, with one more entry in the reply: `energy`.

Wire, as openpi_client 0.1.2 and openpi's websocket_policy_server.py have it: the server sends its metadata first; then each
binary frame is a msgpack map, arrays as `{b"__ndarray__", b"data", b"dtype", b"shape"}`; an error is a text frame with a
traceback, after which the connection is closed.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import Any, Callable, Dict, List, Optional, Protocol

import numpy as np

from action_energy.arrays import ArrayLike, host_array
from action_energy.client import EnergyClient
from action_energy.integrations.choosing import Chooser, Proposal

Observation = Dict[str, Any]
Output = Dict[str, Any]


class Policy(Protocol):
    """openpi's Policy: `infer` gives one sample, which `noise` [horizon, dims] decides."""

    def infer(self, obs: Observation, *, noise: Optional[ArrayLike] = None) -> Output: ...


class EnergyPolicy:
    """`infer` like the bare policy's, with the chosen chunk.

    The policy's own sample comes first and is the baseline; `samples` - 1 more are drawn with normal noise of
    [`horizon`, `dims`]. `context(obs, output)`: the hidden states of the first sample, e.g. what a policy patched to
    return `prefix_out` put there; `mask(obs, output)` likewise, True = ignore. `to_model`: chunks [..., H, A] as
    `output["actions"]` has them (robot units) to the energy model's; `from_model` back, needed for averages and refined chunks (absent:
    identity). `hidden_keys`: entries that stay out of the reply. `options`: those of `Chooser`.
    """

    def __init__(
        self,
        policy: Policy,
        client: EnergyClient,
        *,
        context: Callable[[Observation, Output], ArrayLike],
        horizon: int,
        dims: int,
        samples: int = 8,
        mask: Optional[Callable[[Observation, Output], ArrayLike]] = None,
        to_model: Optional[Callable[[Any], Any]] = None,
        from_model: Optional[Callable[[Any], Any]] = None,
        hidden_keys: tuple[str, ...] = ("prefix_out", "prefix_mask"),
        seed: Optional[int] = None,
        **options: Any,
    ) -> None:
        self._policy, self._samples, self._shape = policy, samples, (horizon, dims)
        self._context, self._mask, self._hidden_keys = context, mask, hidden_keys
        self._to_model = to_model or (lambda chunks: chunks)
        self._from_model = from_model or (lambda chunk: chunk)
        self._rng = np.random.default_rng(seed)
        self.chooser = Chooser(client, **options)

    @property
    def metadata(self) -> Dict[str, Any]:
        found: Dict[str, Any] = getattr(self._policy, "metadata", {})
        return found

    def infer(self, obs: Observation, **options: Any) -> Output:
        """Errors: those of the policy's own sample, and no others."""
        own = self._policy.infer(obs, **options)
        outputs: List[Output] = [own]
        choice = self.chooser.choose(lambda: self._propose(obs, outputs))
        chosen = dict(own if choice.index is None else outputs[choice.index])
        if choice.made is not None:
            chosen["actions"] = self._from_model(choice.made)
        for key in self._hidden_keys:
            chosen.pop(key, None)
        chosen["energy"] = choice.info
        return chosen

    def reset(self) -> None:
        self.chooser.reset()
        reset: Optional[Callable[[], None]] = getattr(self._policy, "reset", None)
        if reset is not None:
            reset()

    def _propose(self, obs: Observation, outputs: List[Output]) -> Proposal:
        for _ in range(self._samples - 1):
            noise = self._rng.standard_normal(self._shape).astype(np.float32)
            outputs.append(self._policy.infer(obs, noise=noise))
        chunks = np.stack([host_array(output["actions"], "actions") for output in outputs])
        own = outputs[0]
        return Proposal(
            hidden=self._context(obs, own),
            candidates=self._to_model(chunks),
            mask=None if self._mask is None else self._mask(obs, own),
        )


async def serve(
    policy: Any,
    host: str = "127.0.0.1",
    port: int = 8000,
    metadata: Optional[Dict[str, Any]] = None,
    ready: Optional[Callable[[int], None]] = None,
) -> None:
    """The wire of openpi's WebsocketPolicyServer, for programs that do not have openpi itself. Runs until cancelled; `ready` is
    told the port. `policy.infer` runs on a thread, one call at a time. Needs `pip install action-energy-client[openpi]`."""
    import websockets.asyncio.server as server
    import websockets.exceptions

    alone = asyncio.Lock()

    async def talk(socket: server.ServerConnection) -> None:
        await socket.send(pack(metadata if metadata is not None else getattr(policy, "metadata", {})))
        previous_ms: Optional[float] = None
        while True:
            try:
                received = time.monotonic()
                obs = unpack(await socket.recv())
                started = time.monotonic()
                async with alone:
                    reply = dict(await asyncio.get_running_loop().run_in_executor(None, policy.infer, obs))
                timing = {"infer_ms": 1e3 * (time.monotonic() - started)}
                if previous_ms is not None:
                    timing["prev_total_ms"] = previous_ms
                reply["server_timing"] = timing
                await socket.send(pack(reply))
                previous_ms = 1e3 * (time.monotonic() - received)
            except websockets.exceptions.ConnectionClosed:
                return
            except Exception:
                await socket.send(traceback.format_exc())
                await socket.close(1011, "Internal server error. Traceback included in previous frame.")
                return

    async with server.serve(talk, host, port, compression=None, max_size=None) as listening:
        if ready is not None:
            ready(next(iter(listening.sockets)).getsockname()[1])
        await asyncio.get_running_loop().create_future()


def pack(value: Any) -> bytes:
    import msgpack

    packed: bytes = msgpack.packb(value, default=_encode)
    return packed


def unpack(data: Any) -> Any:
    """Errors: `ValueError` for a text frame, for arrays of objects, and for bytes that are no msgpack."""
    import msgpack

    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ValueError("a text frame where a binary one was wanted")
    try:
        return msgpack.unpackb(data, object_hook=_decode, strict_map_key=False)
    except (msgpack.exceptions.FormatError, msgpack.exceptions.ExtraData) as cause:
        raise ValueError(f"not msgpack: {cause}") from cause


def _encode(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind in "VOc":
            raise ValueError(f"no place on the wire for {value.dtype}")
        if isinstance(value, np.generic):
            return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
        return {
            b"__ndarray__": True,
            b"data": value.tobytes(),
            b"dtype": value.dtype.str,
            b"shape": value.shape,
        }
    raise TypeError(f"no place on the wire for {type(value).__name__}")


def _decode(value: Dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        return np.frombuffer(value[b"data"], _plain(value[b"dtype"])).reshape(value[b"shape"])
    if b"__npgeneric__" in value:
        return _plain(value[b"dtype"]).type(value[b"data"])
    return value


def _plain(name: Any) -> np.dtype[Any]:
    dtype = np.dtype(name)
    if dtype.kind in "VOc" or dtype.hasobject:
        raise ValueError(f"no dtype for the wire: {dtype}")
    return dtype
