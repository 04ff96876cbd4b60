"""A server in the same process, without sockets or Node, whose energies are the same everywhere and always."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from typing import Any, AsyncIterator, Callable, Deque, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from action_energy._proto import energy_pb2, selection_pb2, status_pb2, tensor_pb2
from action_energy.arrays import words_to_float32
from action_energy.errors import EnergyError, InvalidInput, NotFound, Unsupported
from action_energy.operations import HEALTH
from action_energy.requests import RULES
from action_energy.testing.refining import refine

Floats = npt.NDArray[np.float32]
EnergyFunction = Callable[[Floats, Floats], Sequence[float]]

_MAX_CANDIDATES = 1024
_SOFTNESS = 0.3


def default_energy(hidden: Floats, chunks: Floats) -> Sequence[float]:
    """Mean squared distance of each chunk from tanh of the context's mean: `[..., D], [N, H, A] -> [N]`."""
    target = np.tanh(hidden.mean(dtype=np.float64))
    energies: List[float] = ((chunks.astype(np.float64) - target) ** 2).mean(axis=(1, 2)).tolist()
    return energies


class FakeServer:
    """`EnergyClient(transport=FakeServer())`: answers ScoreActions, its stream, SelectAction (every rule but no gate; AUTO is
    ENERGY), contexts, EnergyMatrix and models as the server does, with `energy(hidden [S, D], chunks [N, H, A]) -> [N]`.

    `fail_next(error)` lets the next call fail, `lose_contexts()` forgets what was kept, `requests` holds (method, message)
    of every call, `outcomes` those of ReportOutcome.
    """

    def __init__(
        self,
        *,
        name: str = "fake",
        architecture: str = "cross_attention",
        state_dim: int = 64,
        action_dim: int = 7,
        chunk: int = 8,
        units: str = "normalized_q99",
        energy: EnergyFunction = default_energy,
    ) -> None:
        self.name, self.energy = name, energy
        self._normalized = units == "normalized_q99"
        card = {"name": name, "architecture": architecture, "actions": {"units": units}}
        self._model = energy_pb2.Model(
            version=energy_pb2.ModelVersion(name=name, digest="f" * 64),
            is_default=True,
            state=energy_pb2.Model.READY,
            architecture=architecture,
            state_dim=state_dim,
            action_dim=action_dim,
            chunk=chunk,
            tau=0.5,
            card_json=json.dumps(card),
            provider="fake",
            threads=1,
            limits=energy_pb2.Limits(
                message_bytes=1 << 26,
                tokens=4096,
                candidates=_MAX_CANDIDATES,
                steps=512,
                contexts=64,
                stream_outstanding=64,
                lease_ms=600_000,
                scored_steps=1 << 19,
            ),
        )
        self.requests: List[Tuple[str, Any]] = []
        self.outcomes: List[selection_pb2.ReportOutcomeRequest] = []
        self._failures: Deque[EnergyError] = deque()
        self._contexts: Dict[str, Floats] = {}
        self._decisions = 0
        self._lock = threading.Lock()

    def fail_next(self, error: EnergyError, times: int = 1) -> None:
        self._failures.extend([error] * times)

    def lose_contexts(self) -> None:
        """As eviction and a restart do."""
        self._contexts.clear()

    # --- Transport

    def call(
        self, path: str, payload: bytes, timeout: Optional[float], affinity: Optional[str] = None
    ) -> bytes:
        with self._lock:
            if self._failures:
                raise self._failures.popleft()
            method = path.rpartition("/")[2]
            if path == HEALTH:
                return b"\x08\x01"
            kind, handler = self._handlers().get(method, (None, None))
            if kind is None or handler is None:
                raise Unsupported(f"the fake has no {method}")
            message = kind.FromString(payload)
            self.requests.append((method, message))
            answer: bytes = handler(message).SerializeToString()
            return answer

    def stream(
        self, path: str, requests: Iterator[bytes], affinity: Optional[str] = None
    ) -> Tuple[Iterator[bytes], Callable[[], None]]:
        ended = threading.Event()

        def answers() -> Iterator[bytes]:
            for payload in requests:
                if ended.is_set():
                    return
                yield self.answer_on_stream(payload)

        return answers(), ended.set

    def close(self) -> None:
        """Nothing to close."""

    def answer_on_stream(self, payload: bytes) -> bytes:
        message = energy_pb2.ScoreActionsStreamRequest.FromString(payload)
        answer = energy_pb2.ScoreActionsStreamResponse(request_id=message.request_id)
        try:
            scored = self.call("/ScoreActions", message.request.SerializeToString(), None)
            answer.response.ParseFromString(scored)
        except EnergyError as error:
            code = 5 if isinstance(error, NotFound) else 3 if isinstance(error, InvalidInput) else 14
            answer.error.CopyFrom(status_pb2.Status(code=code, message=str(error)))
        return answer.SerializeToString()

    # --- methods

    def _handlers(self) -> Dict[str, Tuple[Any, Callable[[Any], Any]]]:
        return {
            "ScoreActions": (energy_pb2.ScoreActionsRequest, self._score),
            "SelectAction": (selection_pb2.SelectActionRequest, self._select),
            "ReportOutcome": (selection_pb2.ReportOutcomeRequest, self._report),
            "EnergyMatrix": (energy_pb2.EnergyMatrixRequest, self._matrix),
            "PutContext": (energy_pb2.PutContextRequest, self._put),
            "DropContext": (energy_pb2.DropContextRequest, self._drop),
            "GetModel": (energy_pb2.GetModelRequest, self._get_model),
            "ListModels": (
                energy_pb2.ListModelsRequest,
                lambda _: energy_pb2.ListModelsResponse(models=[self._model]),
            ),
        }

    def _get_model(self, request: energy_pb2.GetModelRequest) -> energy_pb2.Model:
        self._check_name(request.name)
        return self._model

    def _score(self, request: energy_pb2.ScoreActionsRequest) -> energy_pb2.ScoreActionsResponse:
        self._check_name(request.model)
        hidden, kept = self._context(request, request.options.HasField("keep_context"))
        chunks = _values(request.candidates)
        energies = np.asarray(self.energy(hidden, chunks), np.float64)
        options = request.options
        tau = options.tau if options.HasField("tau") else self._model.tau
        order = np.argsort(energies, kind="stable")
        answer = energy_pb2.ScoreActionsResponse(
            energies=energies.tolist(),
            probabilities=_softmax(-energies / tau).tolist(),
            ranking=order[: options.top_k or None].tolist(),
            best_index=int(order[0]),
            model=self._model.version,
            tau=tau,
        )
        if options.HasField("baseline_index"):
            index = options.baseline_index
            answer.baseline.index = index
            answer.baseline.energy = energies[index]
            answer.baseline.rank = int(np.flatnonzero(order == index)[0])
            answer.baseline.advantage = float(energies[index] - energies.min())
        if kept is not None:
            answer.context.context_id = kept
        return answer

    def _select(self, request: selection_pb2.SelectActionRequest) -> selection_pb2.SelectActionResponse:
        self._check_name(request.model)
        hidden, kept = self._context(request, request.HasField("keep_context"))
        chunks = _values(request.candidates)
        energies = np.asarray(self.energy(hidden, chunks), np.float64)
        rule = request.rule if request.rule not in (0, RULES["auto"]) else RULES["energy"]
        weights = _weights(rule, energies, chunks)
        action = np.tensordot(weights, chunks, axes=1).astype(np.float32)
        picked = int(weights.argmax())
        one = weights[picked] == 1
        medoid = _medoid(chunks)
        self._decisions += 1
        refined: Optional[selection_pb2.Refined] = None
        if rule == RULES["refine"]:
            units = (
                np.ones(chunks.shape[2]) if self._normalized else chunks.std(axis=(0, 1), dtype=np.float64)
            )
            action, refined = refine(
                lambda trials: self.energy(hidden, trials),
                chunks[picked],
                float(energies[picked]),
                units,
                request.refinement,
            )
        origin = selection_pb2.SelectActionResponse.CANDIDATE
        if refined is not None and refined.steps_taken > 0:
            origin = selection_pb2.SelectActionResponse.REFINED
        elif not one:
            origin = selection_pb2.SelectActionResponse.AVERAGE
        answer = selection_pb2.SelectActionResponse(
            action=_tensor(chunks[picked] if one and refined is None else action),
            origin=origin,
            candidate_index=picked if one else int(np.square(chunks - action).mean(axis=(1, 2)).argmin()),
            rule=rule,
            reason="the fake's choice",
            energies=energies.tolist(),
            weights=weights.tolist(),
            consensus=selection_pb2.Consensus(index=medoid, action=_tensor(chunks[medoid]), modes=1),
            model=self._model.version,
            request_id=f"fake-{self._decisions}",
            refinement=refined,
        )
        if kept is not None:
            answer.context.context_id = kept
        return answer

    def _report(self, request: selection_pb2.ReportOutcomeRequest) -> selection_pb2.ReportOutcomeResponse:
        self.outcomes.append(request)
        monitor = selection_pb2.GateMonitor(open=True, evidence=1, closes_at=20, outcomes=len(self.outcomes))
        return selection_pb2.ReportOutcomeResponse(decisions=1, counted=True, monitor=monitor)

    def _matrix(self, request: energy_pb2.EnergyMatrixRequest) -> energy_pb2.EnergyMatrixResponse:
        chunks = _values(request.actions)
        rows = [self.energy(self._context(context, False)[0], chunks) for context in request.contexts]
        return energy_pb2.EnergyMatrixResponse(
            energies=_tensor(np.asarray(rows, np.float32)), model=self._model.version
        )

    def _put(self, request: energy_pb2.PutContextRequest) -> energy_pb2.PutContextResponse:
        kept = energy_pb2.KeptContext(context_id=self._keep(_values(request.context.hidden)))
        return energy_pb2.PutContextResponse(context=kept, model=self._model.version)

    def _drop(self, request: energy_pb2.DropContextRequest) -> energy_pb2.DropContextResponse:
        if self._contexts.pop(request.context_id, None) is None:
            raise NotFound("no such context", field="context_id")
        return energy_pb2.DropContextResponse()

    # --- parts

    def _check_name(self, name: str) -> None:
        if name not in ("", self.name):
            raise NotFound("no such model", field="model", found=name, wanted=self.name)

    def _context(self, source: Any, keep: bool) -> Tuple[Floats, Optional[str]]:
        """Visible tokens, and the id under which they are kept now."""
        if source.HasField("inline"):
            hidden = _values(source.inline.hidden)
            return hidden, self._keep(hidden) if keep else None
        hidden = self._contexts.get(source.context_id)  # type: ignore[assignment]
        if hidden is None:
            raise NotFound("no such context", field="context_id", mend="Send the context again")
        return hidden, source.context_id if keep else None

    def _keep(self, hidden: Floats) -> str:
        context_id = f"context-{len(self._contexts) + 1}"
        self._contexts[context_id] = hidden
        return context_id


class AsyncFakeServer:
    """`AsyncEnergyClient(transport=AsyncFakeServer(fake))`."""

    def __init__(self, fake: Optional[FakeServer] = None) -> None:
        self.fake = fake or FakeServer()

    async def call(
        self, path: str, payload: bytes, timeout: Optional[float], affinity: Optional[str] = None
    ) -> bytes:
        await asyncio.sleep(0)
        return self.fake.call(path, payload, timeout, affinity)

    def stream(
        self, path: str, requests: AsyncIterator[bytes], affinity: Optional[str] = None
    ) -> Tuple[AsyncIterator[bytes], Callable[[], None]]:
        async def answers() -> AsyncIterator[bytes]:
            async for payload in requests:
                yield self.fake.answer_on_stream(payload)

        return answers(), lambda: None

    async def close(self) -> None:
        """Nothing to close."""


def _values(tensor: tensor_pb2.Tensor) -> Floats:
    if tensor.dtype == tensor_pb2.Tensor.BFLOAT16:
        values = words_to_float32(np.frombuffer(tensor.data, "<u2"))
    else:
        values = np.frombuffer(
            tensor.data, "<f2" if tensor.dtype == tensor_pb2.Tensor.FLOAT16 else "<f4"
        ).astype(np.float32)
    return values.reshape(tuple(tensor.shape))


def _tensor(values: Floats) -> tensor_pb2.Tensor:
    data = np.ascontiguousarray(values, "<f4").tobytes()
    return tensor_pb2.Tensor(dtype=tensor_pb2.Tensor.FLOAT32, shape=values.shape, data=data)


def _softmax(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers: npt.NDArray[np.float64] = np.exp(values - values.max())
    shares: npt.NDArray[np.float64] = powers / powers.sum()
    return shares


def _medoid(chunks: Floats) -> int:
    distances = np.sqrt(np.square(chunks[:, None] - chunks[None]).mean(axis=(2, 3)))
    return int(distances.sum(axis=1).argmin())


def _weights(rule: int, energies: npt.NDArray[np.float64], chunks: Floats) -> npt.NDArray[np.float64]:
    """The share of each candidate in what is executed."""
    count = len(energies)
    if rule == RULES["energy_mean"]:
        spread = energies.std()
        return (
            _softmax(-(energies - energies.mean()) / (spread * _SOFTNESS))
            if spread > 0
            else np.full(count, 1 / count)
        )
    if rule == RULES["consensus_mean"]:
        return np.full(count, 1 / count)
    if rule == RULES["consensus"]:
        picked = _medoid(chunks)
    elif rule == RULES["consensus_of_best"]:
        best = np.argsort(energies, kind="stable")[: max(min(3, count), count // 4)]
        picked = int(best[_medoid(chunks[best])])
    else:
        picked = int(energies.argmin())
    one: npt.NDArray[np.float64] = np.eye(count)[picked]
    return one
