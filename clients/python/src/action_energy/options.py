"""The options of the calls, one place for the blocking and the asyncio client: names, types and what they mean. None and an
absent option are the same."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, TypedDict, Union

from action_energy._proto import energy_pb2
from action_energy.arrays import ArrayLike

Pool = Union[str, Sequence[float], energy_pb2.Pool, None]
"""`mean`, `sum`, `first`, `weighted`, step weights [H], or the proto's message."""


class CallOptions(TypedDict, total=False):
    model: Optional[str]
    """Another model than the client's."""
    deadline: Optional[float]
    """Seconds of this call, all attempts together."""


class ScoreOptions(TypedDict, total=False):
    baseline: Optional[int]
    """Index of the policy's own candidate."""
    tau: Optional[float]
    """Temperature of the probabilities, in place of the calibration's or the card's."""
    pool: Pool
    score: str
    """`readout` (default), `logit` or, of a calibration with a density, `corrected`."""
    top_k: int
    """Rank only so many; 0: all."""
    per_step: bool
    """Give `step_energies` back."""
    logits: bool
    """Give `logits` back."""
    action_gradients: bool
    """Give `action_gradients` back; three to four times the work of scoring."""
    raw: bool
    """Leave the calibration out."""
    episode_step: Optional[float]
    """Compare with experts at this time of the episode."""
    executed: Optional[int]
    """Which candidate is executed, for the server's live quality figures."""
    expert: Optional[int]
    """Which candidate is an expert's, for the same."""


class RankOptions(ScoreOptions, CallOptions, total=False):
    mask: Optional[ArrayLike]
    """[S] or [1, S], True where a token is ignored; those are not sent."""


class ChoiceOptions(CallOptions, total=False):
    mask: Optional[ArrayLike]
    """[S] or [1, S], True where a token is ignored; those are not sent."""
    baseline: int
    """Index of the policy's own candidate (default: 0)."""
    score: Optional[str]
    """As in `ScoreOptions`; absent: the calibration's, else the readout."""
    ungated: bool
    """Apply an energy rule even where the calibration's gate would not. Nothing then bounds the harm."""
    episode_step: Optional[float]
    episode: Optional[int]
    """Id, for `report_outcome(..., whole_episode=True)` and the control arm."""
    task: Optional[int]


class SelectOptions(ChoiceOptions, total=False):
    rule: str
    """`auto` (default), `energy`, `energy_mean`, `consensus`, `consensus_mean`, `consensus_of_best` or `refine`;
    proto/action_energy/v1/selection.proto says what each does."""


class RefineOptions(ChoiceOptions, total=False):
    """Experimental. A unit is 1 where the card says that actions are normalised, else the dim's standard deviation over the
    candidates."""

    steps: Optional[int]
    """From 1 to 16 (default: 3)."""
    step_length: Optional[float]
    """Root mean square of a step's longest trial, in units (default: 0.05)."""
    trust_radius: Optional[float]
    """No value ends further than this from where it began, in units (default: 0.2)."""
    dims: Optional[Sequence[int]]
    """Indices of the dims that may move; None: all but gripper and derived dims, which never do."""


class MatrixOptions(CallOptions, total=False):
    masks: Optional[Sequence[Optional[ArrayLike]]]
    """A mask or None for each context."""
    tau: Optional[float]
    pool: Pool
    score: str
    """`readout` (default) or `logit`."""


class ContextOptions(CallOptions, total=False):
    mask: Optional[ArrayLike]
    """[S] or [1, S], True where a token is ignored; those are not sent."""
    lease: float
    """Seconds that the server keeps it after its last use; 0: the server's default."""


class OutcomeOptions(TypedDict, total=False):
    """`success` or `cost`, one of them."""

    success: Optional[bool]
    cost: Optional[float]
    """From 0 (good) to 1."""
    executed: Optional[int]
    """Another candidate than the chosen one was executed."""
    baseline_cost: Optional[float]
    """What the baseline came to from the same state, where that is known."""
    whole_episode: bool
    """The outcome of all decisions of that episode."""
    deadline: Optional[float]


class TrainOptions(TypedDict, total=False):
    """What is absent is as `action-energy train` has it."""

    model: Optional[str]
    """The served model that it begins with; absent: the client's."""
    card: Optional[Mapping[str, Any]]
    """In place of a model: the card of a new one (energy.json as a dict)."""
    losses: Optional[Mapping[str, float]]
    """Weights by kind, e.g. `{"swap": 1.0, "rank": 0.5}`."""
    negatives: Sequence[str]
    schedule: str
    """`constant` (default) or `cosine`."""
    updates: int
    accumulate: int
    """Steps whose gradients make one update."""
    learning_rate: float
    weight_decay: float
    ramp_updates: int
    energy_warm_steps: int
    clip: float
    dropout: float
    tau: float
    seed: int
