"""Training on a server: batches that a trainer makes on the fly go in, losses come back."""

from __future__ import annotations

import json
import queue
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from action_energy import results
from action_energy._proto import calibration_pb2, tensor_pb2, training_pb2
from action_energy.arrays import ArrayLike, bool_array, host_array, wire_array
from action_energy.checks import check_choice
from action_energy.errors import InvalidInput, Unavailable, error_of_status
from action_energy.requests import Part, joined, nested
from action_energy.transport import Transport

TRAIN_STEP = "/action_energy.v1.TrainingService/TrainStep"

# fields of CalibrationRows that are tensors, and those that are lists of numbers
_TENSORS = {
    "hidden": 1,
    "actions": 3,
    "negatives": 8,
    "layer_actions": 9,
    "policy_actions": 10,
    "candidates": 11,
    "candidate_cost": 12,
}
_PAD_MASK = 4
_NUMBERS = ("offsets", "task_id", "episode_id", "step", "outcome")
_ROWS = 2
"""Of TrainStepRequest."""
_TENSOR_DATA = 3


@dataclass(frozen=True)
class StepMetrics:
    """Of one step; None where the losses do not define it."""

    step: int
    """Counted from 1."""
    updates: int
    """Updates that were made."""
    energy_loss: float
    positive_energy: Optional[float]
    negative_energy: Optional[float]
    accuracy: Optional[float]
    """Share of contexts whose own chunk has the lowest energy of the batch."""
    gradient_norm: Optional[float]
    """Before clipping; None where the gradients wait for those of the next step."""
    learning_rate: Optional[float]


class Training:
    """Made by `EnergyClient.train()`. One batch at a time; not for several threads."""

    def __init__(self, transport: Transport, start: training_pb2.TrainingStart) -> None:
        self._messages: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        self._closed = False
        self._answers, self._cancel = transport.stream(TRAIN_STEP, self._requests())
        try:
            self.parameters = self._ask(start_request(start)).started.parameters
        except BaseException:
            self.close()
            raise
        """Numbers that are trained."""

    def step(self, batch: Mapping[str, ArrayLike]) -> StepMetrics:
        """One step on a batch of B rows, arrays by name: `hidden` [B, S, D] and `actions` [B, H, A], and where there are
        `pad_mask` [B, S] (True is ignored, unless the card says otherwise), `candidates` [B, N, H, A], `candidate_cost` [B, N],
        `negatives` [B, K, H, A], `layer_actions` [L, B, H, A], `policy_actions` [B, H, A], `task_id`, `episode_id`, `step`,
        `outcome` [B], `offsets` [B + 1] of a ragged `hidden` [T, D].

        Errors: `InvalidInput` with the field, NaN included; `Overloaded` a batch that is too large; `NotReady` after the last
        update. Weights and optimiser are as they were then, and the session goes on.
        """
        return metrics(self._ask(rows_request(batch)).step)

    def save(self, name: str, *, replace: bool = False) -> results.AnsweredBy:
        """Writes the weights as a bundle into the server's models folder; its name and digest. `Reload` serves it. Errors:
        `NotReady` a bundle of that name is there (`replace`), or it cannot be written."""
        return results.answered_by(self._ask(save_request(name, replace)).saved.model)

    def close(self) -> None:
        """Ends the session; what was not saved is gone. Idempotent."""
        self._closed = True
        self._messages.put(None)
        self._cancel()

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, payload: bytes) -> training_pb2.TrainStepResponse:
        if self._closed:
            return answer_of(None)
        self._messages.put(payload)
        return answer_of(next(self._answers, None))

    def _requests(self) -> Iterator[bytes]:
        """What gRPC writes, on a thread of its own."""
        while True:
            payload = self._messages.get()
            if payload is None:
                return
            yield payload


def start_request(start: training_pb2.TrainingStart) -> bytes:
    request: bytes = training_pb2.TrainStepRequest(start=start).SerializeToString()
    return request


def rows_request(batch: Mapping[str, ArrayLike]) -> bytes:
    """Errors: see `Training.step`."""
    return joined(nested(_ROWS, _rows(batch)))


def save_request(name: str, replace: bool) -> bytes:
    save = training_pb2.SaveModel(name=name, replace=replace)
    request: bytes = training_pb2.TrainStepRequest(save=save).SerializeToString()
    return request


def answer_of(message: Optional[bytes]) -> training_pb2.TrainStepResponse:
    """Errors: the server's; `Unavailable` the end of the session (None)."""
    if message is None:
        raise Unavailable("the session has ended")
    answer = training_pb2.TrainStepResponse.FromString(message)
    if answer.HasField("error"):
        raise error_of_status(answer.error.code, answer.error.message, answer.error)
    return answer


def training_start(
    own: str,
    *,
    model: Optional[str] = None,
    card: Optional[Mapping[str, Any]] = None,
    losses: Optional[Mapping[str, float]] = None,
    negatives: Sequence[str] = (),
    schedule: str = "constant",
    **numbers: Any,
) -> training_pb2.TrainingStart:
    """`own`: the client's model, where no other is named. Errors: `InvalidInput` what the contract has no word for."""
    check_choice(schedule, ("constant", "cosine"), "schedule")
    try:
        recipe = training_pb2.TrainingRecipe(
            losses=[
                training_pb2.TrainingLoss(kind=kind, weight=weight) for kind, weight in (losses or {}).items()
            ],
            negatives=negatives,
            schedule=training_pb2.TrainingRecipe.COSINE
            if schedule == "cosine"
            else training_pb2.TrainingRecipe.CONSTANT,
            **numbers,
        )
    except (TypeError, ValueError) as cause:
        raise InvalidInput("not a recipe", field="recipe", found=str(cause)) from cause
    if card is not None:
        return training_pb2.TrainingStart(card_json=json.dumps(card), recipe=recipe)
    return training_pb2.TrainingStart(model=own if model is None else model, recipe=recipe)


def _rows(batch: Mapping[str, ArrayLike]) -> List[Part]:
    """The parts of a CalibrationRows: tensors are views of the caller's memory."""
    known = (*_TENSORS, "pad_mask", *_NUMBERS)
    for name in batch:
        if name not in known:
            raise InvalidInput("unknown", field=name, found=name, wanted=", ".join(known))
    parts: List[Part] = []
    numbers: Dict[str, Any] = {}
    for name, value in batch.items():
        if name == "pad_mask":
            mask = bool_array(value, name)
            tensor = tensor_pb2.Tensor(dtype=tensor_pb2.Tensor.BOOL, shape=mask.shape, data=mask.tobytes())
            parts += nested(_PAD_MASK, [tensor.SerializeToString()])
        elif name in _TENSORS:
            wire = wire_array(value, name, narrow=name != "hidden")
            parts += nested(_TENSORS[name], [wire.head(wire.shape), *nested(_TENSOR_DATA, [wire.buffer()])])
        else:
            numbers[name] = host_array(value, name).reshape(-1).tolist()
    try:
        parts.append(calibration_pb2.CalibrationRows(**numbers).SerializeToString())
    except (TypeError, ValueError) as cause:
        raise InvalidInput("not numbers", field=", ".join(numbers), found=str(cause)) from cause
    return parts


def metrics(figures: training_pb2.TrainingFigures) -> StepMetrics:
    def present(name: str) -> Optional[float]:
        value: float = getattr(figures, name)
        return value if figures.HasField(name) else None

    return StepMetrics(
        step=figures.step,
        updates=figures.updates,
        energy_loss=figures.energy_loss,
        positive_energy=present("positive_energy"),
        negative_energy=present("negative_energy"),
        accuracy=present("accuracy"),
        gradient_norm=present("gradient_norm"),
        learning_rate=present("learning_rate"),
    )
