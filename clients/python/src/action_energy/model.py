"""What the server says about a model: its card, its limits, its state."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Tuple

from action_energy._proto import energy_pb2


@dataclass(frozen=True)
class Limits:
    """What one request may hold, at most."""

    message_bytes: int
    tokens: int
    candidates: int
    steps: int
    contexts: int
    scored_steps: int
    stream_outstanding: int
    lease_ms: int


@dataclass(frozen=True)
class Gripper:
    index: int
    coding: str
    """`zero_one`, `minus_one_one` or `continuous`."""


@dataclass(frozen=True)
class ModelInfo:
    """A served model. `digest`: sha256 of its weights; `calibration`: version in force, empty for none."""

    name: str
    digest: str
    calibration: str
    calibration_problem: str
    state: str
    """`LOADING`, `READY`, `FAILED` or `DRAINING`."""
    architecture: str
    """`cross_attention` (contexts [S, D]) or `global_context` (contexts [D])."""
    state_dim: int
    """D."""
    action_dim: int
    """A."""
    chunk: Optional[int]
    """H of every chunk; None: any."""
    tau: float
    hidden_octaves: Optional[Tuple[float, float, float]]
    """What hidden states looked like in the calibration's data: log2 of magnitudes at their 5th, 50th and 95th percentile;
    None where no calibration says."""
    units: str
    """`normalized_q99`, `raw` or `unspecified`."""
    bounds: Optional[Tuple[Tuple[float, ...], Tuple[float, ...]]]
    """Lowest and highest value by dim."""
    gripper: Optional[Gripper]
    names: Optional[Tuple[str, ...]]
    provider: str
    threads: int
    limits: Limits
    card: Mapping[str, Any]
    """The whole card, energy.json."""

    def dim_name(self, dim: int) -> str:
        return f"dim {dim} {self.names[dim]}" if self.names is not None else f"dim {dim}"


def model_info(message: energy_pb2.Model) -> ModelInfo:
    card = json.loads(message.card_json)
    actions = card.get("actions", {})
    bounds, gripper, names = actions.get("bounds"), actions.get("gripper"), actions.get("names")
    limits = message.limits
    return ModelInfo(
        name=message.version.name,
        digest=message.version.digest,
        calibration=message.version.calibration_version,
        calibration_problem=message.calibration.problem,
        state=energy_pb2.Model.State.Name(message.state),
        architecture=message.architecture,
        state_dim=message.state_dim,
        action_dim=message.action_dim,
        chunk=message.chunk or None,
        tau=message.tau,
        hidden_octaves=_octaves(message.calibration),
        units=actions.get("units", "unspecified"),
        bounds=None if bounds is None else (tuple(bounds["low"]), tuple(bounds["high"])),
        gripper=None if gripper is None else Gripper(gripper["index"], gripper["coding"]),
        names=None if names is None else tuple(names),
        provider=message.provider,
        threads=message.threads,
        limits=Limits(
            message_bytes=limits.message_bytes,
            tokens=limits.tokens,
            candidates=limits.candidates,
            steps=limits.steps,
            contexts=limits.contexts,
            scored_steps=limits.scored_steps,
            stream_outstanding=limits.stream_outstanding,
            lease_ms=limits.lease_ms,
        ),
        card=card,
    )


def _octaves(calibration: energy_pb2.CalibrationStatus) -> Optional[Tuple[float, float, float]]:
    if not calibration.HasField("hidden_octaves"):
        return None
    found = calibration.hidden_octaves
    return found.p05, found.p50, found.p95
