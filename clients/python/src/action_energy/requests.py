"""Request messages from arrays: checked, masked tokens left out, large tensors put on the wire in one copy.

protobuf would copy a context three times (into the message, into the bytes, into the channel). Embedded messages are
written here as tag, length and parts; the parts are joined once, straight from the caller's memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Collection, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
import numpy.typing as npt

from action_energy._proto import energy_pb2, selection_pb2
from action_energy.action_checks import check_candidates
from action_energy.arrays import (
    ArrayLike,
    WireArray,
    bool_array,
    host_array,
    squeeze_batch,
    wire_and_host,
    wire_array,
)
from action_energy.checks import (
    Ranges,
    check_choice,
    check_hidden_shape,
    check_hidden_values,
    check_index,
    visible_ranges,
)
from action_energy.errors import InvalidInput, found_of
from action_energy.model import ModelInfo
from action_energy.options import Pool

Part = Union[bytes, memoryview]

SCORES = {"readout": energy_pb2.READOUT, "logit": energy_pb2.LOGIT, "corrected": energy_pb2.CORRECTED}
RULES = {
    "auto": selection_pb2.AUTO,
    "energy": selection_pb2.ENERGY,
    "energy_mean": selection_pb2.ENERGY_MEAN,
    "consensus": selection_pb2.CONSENSUS,
    "consensus_mean": selection_pb2.CONSENSUS_MEAN,
    "consensus_of_best": selection_pb2.CONSENSUS_OF_BEST,
    "refine": selection_pb2.REFINE,
}

_MOST_STEPS = 16
_MOST_UNITS = 10.0


def refinement_message(
    action_dim: int,
    *,
    steps: Optional[int] = None,
    step_length: Optional[float] = None,
    trust_radius: Optional[float] = None,
    dims: Optional[Sequence[int]] = None,
) -> selection_pb2.Refinement:
    """Errors: `InvalidInput` for what the server would refuse whatever the model; only the model's card knows its gripper."""
    if steps is not None and not (isinstance(steps, int) and 1 <= steps <= _MOST_STEPS):
        raise InvalidInput(
            "not a number of steps", field="steps", found=str(steps), wanted=f"1 to {_MOST_STEPS}"
        )
    for field, length in (("step_length", step_length), ("trust_radius", trust_radius)):
        if length is not None and not 0 < length <= _MOST_UNITS:
            raise InvalidInput(
                "not a length",
                field=field,
                found=str(length),
                wanted=f"above 0, at most {_MOST_UNITS:g} units",
            )
    chosen = [] if dims is None else [int(dim) for dim in dims]
    if dims is not None and not chosen:
        raise InvalidInput(
            "nothing may move", field="dims", found="none", wanted="dims that may move, or None"
        )
    for place, dim in enumerate(chosen):
        check_index(dim, action_dim, f"dims[{place}]")
        if dim in chosen[:place]:
            raise InvalidInput("named twice", field=f"dims[{place}]", found=str(dim), wanted="each dim once")
    return selection_pb2.Refinement(
        steps=steps, step_length=step_length, trust_radius=trust_radius, dims=chosen
    )


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def nested(number: int, parts: Sequence[Part]) -> List[Part]:
    """`parts` as the length-delimited field `number`."""
    size = sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)
    return [varint(number << 3 | 2) + varint(size), *parts]


def joined(parts: Iterable[Part]) -> bytes:
    return b"".join(parts)


@dataclass(frozen=True)
class ContextInput:
    """A context that has been checked: the parts of an InlineContext, views of the caller's memory."""

    parts: Tuple[Part, ...]
    tokens: int
    """Visible ones."""

    def held(self) -> ContextInput:
        """With a copy of the numbers, for contexts that are sent again later."""
        return ContextInput((joined(self.parts),), self.tokens)


def context_input(
    hidden: ArrayLike,
    mask: Optional[ArrayLike],
    model: ModelInfo,
    unchecked: Collection[str] = (),
    field: str = "hidden",
    mask_field: str = "mask",
) -> ContextInput:
    """Errors: `InvalidInput`, see `checks`."""
    wire = wire_array(hidden, field)
    axes = 1 if model.architecture == "global_context" else 2
    if axes == 1 and wire.data.ndim == 2 and wire.shape[0] != 1:
        check_hidden_shape(wire.shape, model, field)
    wire = WireArray(wire.dtype, squeeze_batch(wire.data, axes, field))
    check_hidden_shape(wire.shape, model, field)
    tokens = wire.shape[0] if axes == 2 else 1
    given = None if mask is None else squeeze_batch(bool_array(mask, mask_field), 1, mask_field)
    visible = visible_ranges(given, tokens, model, unchecked, mask_field)
    if "hidden" not in unchecked:
        check_hidden_values(wire, visible, model, field)
    count = sum(end - start for start, end in visible)
    shape = (count, model.state_dim) if axes == 2 else (model.state_dim,)
    data = nested(3, _pieces(wire, visible, axes))
    return ContextInput(tuple(nested(1, [wire.head(shape), *data])), count)


def _pieces(wire: WireArray, visible: Ranges, axes: int) -> List[Part]:
    buffer = wire.buffer()
    if axes == 1:
        return [buffer]
    row = wire.row_bytes
    return [buffer[start * row : end * row] for start, end in visible]


@dataclass(frozen=True)
class CandidatesInput:
    wire: WireArray
    values: npt.NDArray[Any]
    """[N, H, A] as the caller gave them: his dtype, bfloat16 as float32."""


def candidates_input(
    candidates: ArrayLike,
    model: Optional[ModelInfo],
    unchecked: Collection[str] = (),
    field: str = "candidates",
) -> CandidatesInput:
    """[N, H, A], [H, A] for one, or a list of [H, A]. Without `model`: shape [N, H, A] alone."""
    if isinstance(candidates, (list, tuple)) and candidates and hasattr(candidates[0], "shape"):
        chunks = [host_array(chunk, f"{field}[{i}]") for i, chunk in enumerate(candidates)]
        if len({chunk.shape for chunk in chunks}) != 1:
            raise InvalidInput(
                "chunks of different shapes",
                field=field,
                found=", ".join(sorted({found_of(chunk.shape) for chunk in chunks})),
                wanted="equal shapes [H, A]",
            )
        candidates = np.stack(chunks)
    wire, given = wire_and_host(candidates, field)
    if wire.data.ndim == 2:
        wire = WireArray(wire.dtype, wire.data[np.newaxis])
    if wire.data.ndim == 4 and wire.shape[0] == 1:
        wire = WireArray(wire.dtype, wire.data[0])
    given = given.reshape(wire.shape)
    if model is not None:
        check_candidates(given, model, unchecked, field)
    elif wire.data.ndim != 3 or min(wire.shape) < 1:
        raise InvalidInput("not chunks", field=field, found=found_of(wire.shape), wanted="[N, H, A]")
    return CandidatesInput(wire, given)


def pool_message(pool: Pool) -> Optional[energy_pb2.Pool]:
    """`mean`, `sum`, `first`, `weighted`, step weights [H], or a Pool message (discount, windowed_max)."""
    if pool is None or isinstance(pool, energy_pb2.Pool):
        return pool
    if isinstance(pool, str):
        check_choice(pool, ("mean", "sum", "first", "weighted"), "pool")
        message = energy_pb2.Pool()
        getattr(message, pool).SetInParent()
        return message
    return energy_pb2.Pool(weighted=energy_pb2.Pool.Weighted(weights=[float(w) for w in pool]))


@dataclass(frozen=True)
class ScoreRequest:
    """What `rank` asks for, beside the context. See `EnergyClient.rank`."""

    candidates: CandidatesInput
    options: energy_pb2.ScoreOptions

    def body(self, model: str, context_id: Optional[str], lease_ms: Optional[int]) -> bytes:
        """Everything but an inline context; `lease_ms`: keep that one."""
        message = energy_pb2.ScoreActionsRequest(
            model=model, candidates=self.candidates.wire.message(), options=self.options
        )
        if lease_ms is not None:
            message.options.keep_context.lease_ms = lease_ms
        if context_id is not None:
            message.context_id = context_id
        return message.SerializeToString()


def score_options(
    count: int,
    *,
    baseline: Optional[int] = None,
    tau: Optional[float] = None,
    pool: Pool = None,
    score: str = "readout",
    top_k: int = 0,
    per_step: bool = False,
    logits: bool = False,
    action_gradients: bool = False,
    raw: bool = False,
    episode_step: Optional[float] = None,
    executed: Optional[int] = None,
    expert: Optional[int] = None,
) -> energy_pb2.ScoreOptions:
    check_choice(score, tuple(SCORES), "score")
    for index, field in ((baseline, "baseline"), (executed, "executed"), (expert, "expert")):
        check_index(index, count, field)
    if executed is not None and expert is not None:
        raise InvalidInput("one of them", field="expert", found="executed and expert", wanted="at most one")
    return energy_pb2.ScoreOptions(
        pool=pool_message(pool),
        tau=tau,
        score=SCORES[score],
        top_k=top_k,
        baseline_index=baseline,
        per_step=per_step,
        logits=logits,
        action_gradients=action_gradients,
        raw=raw,
        episode_step=episode_step,
        executed_index=executed,
        expert_index=expert,
    )


@dataclass(frozen=True)
class SelectRequest:
    """What `select` asks for, beside the context. See `EnergyClient.select`."""

    candidates: CandidatesInput
    baseline: int
    rule: selection_pb2.Rule
    score: Optional[energy_pb2.Score]
    ungated: bool
    timeout_ms: int
    episode_step: Optional[float]
    episode: Optional[int]
    task: Optional[int]
    refinement: Optional[selection_pb2.Refinement] = None

    def body(self, model: str, context_id: Optional[str], lease_ms: Optional[int]) -> bytes:
        message = selection_pb2.SelectActionRequest(
            model=model,
            candidates=self.candidates.wire.message(),
            baseline_index=self.baseline,
            rule=self.rule,
            score=self.score,
            ungated=self.ungated,
            timeout_ms=self.timeout_ms,
            episode_step=self.episode_step,
            episode_id=self.episode,
            task_id=self.task,
            refinement=self.refinement,
        )
        if lease_ms is not None:
            message.keep_context.lease_ms = lease_ms
        if context_id is not None:
            message.context_id = context_id
        return message.SerializeToString()
