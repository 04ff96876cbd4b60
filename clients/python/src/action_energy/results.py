"""What calls give back: plain frozen dataclasses of NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from action_energy._proto import energy_pb2, selection_pb2, tensor_pb2
from action_energy.errors import EnergyError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Timings:
    """Milliseconds inside the server."""

    queue_ms: float
    encode_ms: float
    score_ms: float
    total_ms: float


@dataclass(frozen=True)
class AnsweredBy:
    """The model that answered; `calibration` is empty when none was applied to this answer."""

    name: str
    digest: str
    calibration: str


@dataclass(frozen=True)
class Gate:
    """Whether the best candidate lies far enough below the baseline, by the calibration."""

    accepted: bool
    margin_wanted: float
    margin_found: float


@dataclass(frozen=True)
class BaselineRank:
    index: int
    energy: float
    rank: int
    advantage: float
    """energies[index] less the lowest energy."""
    gate: Optional[Gate]


@dataclass(frozen=True)
class Ranking:
    energies: Floats
    """[N], lower is better; compare within one context only."""
    probabilities: Floats
    """[N], softmax(-energies / tau)."""
    ranking: npt.NDArray[np.int64]
    """Candidate indices, lowest energy first."""
    best: int
    tau: float
    p_values: Optional[Floats]
    """[N], the share of experts with an energy this high; None when the answer is not calibrated."""
    step_energies: Optional[npt.NDArray[np.float32]]
    """[N, H], with `per_step`."""
    logits: Optional[Floats]
    action_gradients: Optional[npt.NDArray[np.float32]]
    """[N, H, A], the derivative of each energy by its own chunk, with `action_gradients`."""
    baseline: Optional[BaselineRank]
    model: AnsweredBy
    timings: Timings


@dataclass(frozen=True)
class Refinement:
    """What came of moving the chosen candidate down the gradient of its energy."""

    start_energy: float
    energy: float
    """Of the chunk; below `start_energy` once a step was taken."""
    steps: int
    """Steps taken; 0: the chunk is the candidate."""
    displacement: float
    """The largest move of any value, in units."""
    end: str
    """Why it went no further: `steps` (all taken), `lowest` (no trial has a lower energy), `time`, `room` or `failed`."""


@dataclass(frozen=True)
class Selection:
    """The chunk to execute, and why. A `select` always gives one back."""

    chunk: npt.NDArray[Any]
    """[H, A]. A candidate: exactly as it was passed in. An average or a refined one: float32."""
    index: int
    """The candidate that `chunk` is, the one nearest to an average, or the one that a refined chunk began as."""
    origin: str
    """`candidate`, `average`, `refined`, or `baseline` where the rule could not or must not be applied."""
    fallback: str
    """Why the baseline: `none` when the rule was applied; else the server's reason (`gate_refused`, `not_calibrated`,
    `overload`, ...) or the kind of `error`."""
    reason: str
    """One sentence for a log."""
    rule: str
    energies: Optional[Floats] = None
    weights: Optional[Floats] = None
    """[N], the share of each candidate in `chunk`."""
    consensus: Optional[int] = None
    """The candidate that would have been chosen without a model."""
    modes: Optional[int] = None
    gate: Optional[Gate] = None
    refinement: Optional[Refinement] = None
    """Of the rule `refine`, once its candidate was chosen."""
    request_id: str = ""
    """For `report_outcome`; empty when the server did not answer."""
    affinity: Optional[str] = None
    """Key under which the server that knows the decision is reached; see `action_energy.affinity`."""
    model: Optional[AnsweredBy] = None
    timings: Optional[Timings] = None
    error: Optional[EnergyError] = None
    """What kept the server from answering. `raise_for_error()` raises it."""

    @property
    def is_baseline(self) -> bool:
        """Whether the baseline stands in for what the rule would have chosen."""
        return self.origin == "baseline"

    @property
    def is_candidate(self) -> bool:
        """Whether `chunk` is candidate `index` as it was passed in, the baseline included."""
        return self.origin in ("candidate", "baseline")

    def raise_for_error(self) -> Selection:
        if self.error is not None:
            raise self.error
        return self


@dataclass(frozen=True)
class Matrix:
    energies: Floats
    """[B, M]: context i by chunk j."""
    infonce_loss: Optional[float]
    accuracy: Optional[float]
    model: AnsweredBy


@dataclass(frozen=True)
class GateMonitor:
    """The running test of the gate's bound: it closes when `evidence` reaches `closes_at`."""

    open: bool
    evidence: float
    closes_at: float
    outcomes: int


@dataclass(frozen=True)
class OutcomeReport:
    decisions: int
    """Decisions that got the outcome."""
    counted: bool
    not_counted: str
    """Why it does not count for the monitor."""
    monitor: Optional[GateMonitor]
    """None where the model has no gate."""


def answered_by(message: energy_pb2.ModelVersion) -> AnsweredBy:
    return AnsweredBy(message.name, message.digest, message.calibration_version)


def timings(message: energy_pb2.Timings) -> Timings:
    return Timings(message.queue_ms, message.encode_ms, message.score_ms, message.total_ms)


def tensor_values(message: tensor_pb2.Tensor) -> npt.NDArray[np.float32]:
    return np.frombuffer(message.data, "<f4").reshape(tuple(message.shape))


def _floats(values: Any) -> Floats:
    return np.array(values, np.float64)


def _optional_floats(values: Any) -> Optional[Floats]:
    return _floats(values) if len(values) else None


def _gate(owner: Any) -> Optional[Gate]:
    if not owner.HasField("gate"):
        return None
    return Gate(owner.gate.accepted, owner.gate.margin_wanted, owner.gate.margin_found)


def ranking(message: energy_pb2.ScoreActionsResponse) -> Ranking:
    baseline: Optional[BaselineRank] = None
    if message.HasField("baseline"):
        own = message.baseline
        baseline = BaselineRank(own.index, own.energy, own.rank, own.advantage, _gate(own))
    return Ranking(
        energies=_floats(message.energies),
        probabilities=_floats(message.probabilities),
        ranking=np.array(message.ranking, np.int64),
        best=message.best_index,
        tau=message.tau,
        p_values=_optional_floats(message.p_values),
        step_energies=tensor_values(message.step_energies) if message.HasField("step_energies") else None,
        action_gradients=(
            tensor_values(message.action_gradients) if message.HasField("action_gradients") else None
        ),
        logits=_optional_floats(message.logits),
        baseline=baseline,
        model=answered_by(message.model),
        timings=timings(message.timings),
    )


def _refinement(message: selection_pb2.SelectActionResponse) -> Optional[Refinement]:
    if not message.HasField("refinement"):
        return None
    found = message.refinement
    end = selection_pb2.Refined.End.Name(found.end).lower()
    return Refinement(found.start_energy, found.energy, found.steps_taken, found.displacement, end)


def selection(
    message: selection_pb2.SelectActionResponse, candidates: npt.NDArray[Any], affinity: str
) -> Selection:
    """`candidates` [N, H, A] as the caller gave them, so that a candidate comes back with his own numbers."""
    response = selection_pb2.SelectActionResponse
    origin = response.Origin.Name(message.origin).lower()
    made = message.origin in (response.AVERAGE, response.REFINED)
    consensus = message.consensus if message.HasField("consensus") else None
    return Selection(
        chunk=tensor_values(message.action) if made else candidates[message.candidate_index],
        index=message.candidate_index,
        origin=origin,
        fallback=response.Fallback.Name(message.fallback).lower(),
        reason=message.reason,
        rule=selection_pb2.Rule.Name(message.rule).lower(),
        energies=_optional_floats(message.energies),
        weights=_optional_floats(message.weights),
        consensus=None if consensus is None else consensus.index,
        modes=None if consensus is None else consensus.modes,
        gate=_gate(message),
        refinement=_refinement(message),
        request_id=message.request_id,
        affinity=affinity,
        model=answered_by(message.model),
        timings=timings(message.timings),
    )


def outcome_report(message: selection_pb2.ReportOutcomeResponse) -> OutcomeReport:
    monitor: Optional[GateMonitor] = None
    if message.HasField("monitor"):
        found = message.monitor
        monitor = GateMonitor(found.open, found.evidence, found.closes_at, found.outcomes)
    return OutcomeReport(message.decisions, message.counted, message.not_counted, monitor)
