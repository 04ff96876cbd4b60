"""GR00T N1.x: a policy whose `get_action` gives the chosen chunk back, and its ZMQ server.

    policy = EnergyPolicy(policy, client, propose=propose)
    Server(policy, port=5555).serve_forever()

Wire, as gr00t/policy/server_client.py documents it (gr00t is not on PyPI, so the tests have a client of their own for it):
ZMQ REQ/REP, msgpack maps `{"endpoint", "data", "api_token"}`, arrays as `{"__ndarray_class__": true, "as_npy": .npy bytes}`;
endpoints `ping`, `get_action`, `reset`, `get_modality_config`; an error is `{"error": text}`. A peer's `kill` is refused, and
.npy bytes are read without pickle.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Tuple

import numpy as np

from action_energy.arrays import ArrayLike
from action_energy.client import EnergyClient
from action_energy.errors import InvalidInput
from action_energy.integrations.choosing import Chooser, Proposal

log = logging.getLogger("action_energy.integrations.groot")

Actions = Dict[str, Any]
"""Name -> [1, H, dims], or [H, dims]."""
Answer = Tuple[Actions, Dict[str, Any]]


class Policy(Protocol):
    def get_action(self, observation: Dict[str, Any], options: Optional[Dict[str, Any]] = None) -> Answer: ...


@dataclass(frozen=True)
class Joints:
    """Which action groups make one chunk [H, A], in which order: `(("arm", 6), ("gripper", 1))`."""

    groups: Sequence[Tuple[str, int]]

    def chunk(self, actions: Actions) -> Any:
        parts = []
        for name, dims in self.groups:
            if name not in actions:
                raise InvalidInput("no such action group", field=name, found=", ".join(actions), wanted=name)
            array = np.asarray(actions[name])
            flat = array.reshape(array.shape[-2] if array.ndim > 1 else -1, -1)
            if flat.shape[1] != dims or array.size != flat.size or (array.ndim == 3 and array.shape[0] != 1):
                raise InvalidInput(
                    "does not fit", field=name, found=str(array.shape), wanted=f"[1, H, {dims}]"
                )
            parts.append(flat)
        return np.concatenate(parts, axis=1)

    def actions(self, chunk: Any, like: Actions) -> Actions:
        """The chunk in the shapes of `like`, which also gives what is no part of it."""
        out, start = dict(like), 0
        for name, dims in self.groups:
            own = np.asarray(like[name])
            out[name] = np.asarray(chunk[:, start : start + dims], own.dtype).reshape(own.shape)
            start += dims
        return out


class EnergyPolicy:
    """`get_action` like the bare policy's, with the chosen chunk; `info["energy"]` has scores and timings.

    The policy's own answer comes first and is the baseline; `samples` - 1 more are drawn by calling it again.
    `context(observation, answer)` and `mask(...)`: [S, D] and [S] of the observation. `to_model`: chunks [..., H, A] in the
    policy's units to the energy model's; `from_model` back, for averages and refined chunks alone. `options`: those of `Chooser`.
    """

    def __init__(
        self,
        policy: Policy,
        client: EnergyClient,
        *,
        joints: Joints,
        context: Callable[[Dict[str, Any], Answer], ArrayLike],
        samples: int = 8,
        mask: Optional[Callable[[Dict[str, Any], Answer], ArrayLike]] = None,
        to_model: Optional[Callable[[Any], Any]] = None,
        from_model: Optional[Callable[[Any], Any]] = None,
        **options: Any,
    ) -> None:
        self._policy, self._joints, self._samples = policy, joints, samples
        self._context, self._mask = context, mask
        self._to_model = to_model or (lambda chunks: chunks)
        self._from_model = from_model or (lambda chunk: chunk)
        self.chooser = Chooser(client, **options)

    def get_action(self, observation: Dict[str, Any], options: Optional[Dict[str, Any]] = None) -> Answer:
        """Errors: those of the policy's own answer, and no others."""
        own = self._policy.get_action(observation, options)
        answers: List[Answer] = [own]

        def propose() -> Proposal:
            for _ in range(self._samples - 1):
                answers.append(self._policy.get_action(observation, options))
            return Proposal(
                hidden=self._context(observation, own),
                candidates=self._to_model(np.stack([self._joints.chunk(actions) for actions, _ in answers])),
                mask=None if self._mask is None else self._mask(observation, own),
            )

        choice = self.chooser.choose(propose)
        actions, info = own if choice.index is None else answers[choice.index]
        if choice.made is not None:
            actions = self._joints.actions(self._from_model(choice.made), own[0])
        return actions, {**info, "energy": choice.info}

    def reset(self, options: Optional[Dict[str, Any]] = None) -> Any:
        self.chooser.reset()
        reset: Optional[Callable[..., Any]] = getattr(self._policy, "reset", None)
        return {} if reset is None else reset(options)

    def get_modality_config(self) -> Any:
        found: Optional[Callable[[], Any]] = getattr(self._policy, "get_modality_config", None)
        return {} if found is None else found()


class Server:
    """GR00T's wire for a policy, on one thread. `address` of the bound socket; `api_token` as its clients send it. Needs
    `pip install action-energy-client[groot]`."""

    def __init__(
        self, policy: Any, host: str = "127.0.0.1", port: int = 5555, api_token: Optional[str] = None
    ) -> None:
        import zmq

        self._policy, self._token = policy, api_token
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(f"tcp://{host}:{port}" if port else f"tcp://{host}:*")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._running = True

    def serve_forever(self) -> None:
        """Until `stop`, from another thread or a signal."""
        try:
            while self._running:
                if self._socket.poll(100):
                    self._socket.send(self._answer(self._socket.recv()))
        finally:
            self._socket.close()
            self._context.term()

    def stop(self) -> None:
        self._running = False

    def _answer(self, message: bytes) -> bytes:
        """A REP socket must answer whatever came."""
        try:
            return pack(self._handle(unpack(message)))
        except Exception as error:
            log.warning("a request failed: %s", error, exc_info=True)
            return pack({"error": f"{type(error).__name__}: {error}"})

    def _handle(self, request: Any) -> Any:
        if not isinstance(request, dict):
            raise ValueError("a request is a map")
        if self._token is not None and request.get("api_token") != self._token:
            return {"error": "Unauthorized: Invalid API token"}
        endpoint, data = request.get("endpoint", "get_action"), request.get("data") or {}
        if endpoint == "ping":
            return {"status": "ok", "message": "Server is running"}
        if endpoint == "get_modality_config":
            return self._policy.get_modality_config()
        if endpoint == "get_action":
            return list(self._policy.get_action(**data))
        if endpoint == "reset":
            return self._policy.reset(**data)
        raise ValueError(f"no endpoint {endpoint!r}")


def pack(value: Any) -> bytes:
    import msgpack

    packed: bytes = msgpack.packb(value, default=_encode)
    return packed


def unpack(data: bytes) -> Any:
    import msgpack

    return msgpack.unpackb(data, object_hook=_decode, strict_map_key=False)


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        out = io.BytesIO()
        np.save(out, value, allow_pickle=False)
        return {"__ndarray_class__": True, "as_npy": out.getvalue()}
    raise TypeError(f"no place on the wire for {type(value).__name__}")


def _decode(value: Dict[Any, Any]) -> Any:
    if "__ndarray_class__" in value:
        return np.load(io.BytesIO(value["as_npy"]), allow_pickle=False)
    return value
