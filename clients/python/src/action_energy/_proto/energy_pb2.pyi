from . import tensor_pb2 as _tensor_pb2
from . import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Score(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_UNSPECIFIED: _ClassVar[Score]
    READOUT: _ClassVar[Score]
    LOGIT: _ClassVar[Score]
    CORRECTED: _ClassVar[Score]
SCORE_UNSPECIFIED: Score
READOUT: Score
LOGIT: Score
CORRECTED: Score

class InlineContext(_message.Message):
    __slots__ = ("hidden", "pad_mask", "mask_pieces")
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    PAD_MASK_FIELD_NUMBER: _ClassVar[int]
    MASK_PIECES_FIELD_NUMBER: _ClassVar[int]
    hidden: _tensor_pb2.Tensor
    pad_mask: _tensor_pb2.Tensor
    mask_pieces: MaskPieces
    def __init__(self, hidden: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., pad_mask: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., mask_pieces: _Optional[_Union[MaskPieces, _Mapping[str, object]]] = ...) -> None: ...

class MaskPieces(_message.Message):
    __slots__ = ("num_patches", "action_tokens")
    NUM_PATCHES_FIELD_NUMBER: _ClassVar[int]
    ACTION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    num_patches: int
    action_tokens: _containers.RepeatedCompositeFieldContainer[TokenSpan]
    def __init__(self, num_patches: _Optional[int] = ..., action_tokens: _Optional[_Iterable[_Union[TokenSpan, _Mapping[str, object]]]] = ...) -> None: ...

class TokenSpan(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("inline", "context_id")
    INLINE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    inline: InlineContext
    context_id: str
    def __init__(self, inline: _Optional[_Union[InlineContext, _Mapping[str, object]]] = ..., context_id: _Optional[str] = ...) -> None: ...

class Pool(_message.Message):
    __slots__ = ("mean", "sum", "first", "weighted", "discount", "windowed_max")
    class Mean(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Sum(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class First(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Weighted(_message.Message):
        __slots__ = ("weights",)
        WEIGHTS_FIELD_NUMBER: _ClassVar[int]
        weights: _containers.RepeatedScalarFieldContainer[float]
        def __init__(self, weights: _Optional[_Iterable[float]] = ...) -> None: ...
    class Discount(_message.Message):
        __slots__ = ("gamma",)
        GAMMA_FIELD_NUMBER: _ClassVar[int]
        gamma: float
        def __init__(self, gamma: _Optional[float] = ...) -> None: ...
    class WindowedMax(_message.Message):
        __slots__ = ("window",)
        WINDOW_FIELD_NUMBER: _ClassVar[int]
        window: int
        def __init__(self, window: _Optional[int] = ...) -> None: ...
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTED_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    WINDOWED_MAX_FIELD_NUMBER: _ClassVar[int]
    mean: Pool.Mean
    sum: Pool.Sum
    first: Pool.First
    weighted: Pool.Weighted
    discount: Pool.Discount
    windowed_max: Pool.WindowedMax
    def __init__(self, mean: _Optional[_Union[Pool.Mean, _Mapping[str, object]]] = ..., sum: _Optional[_Union[Pool.Sum, _Mapping[str, object]]] = ..., first: _Optional[_Union[Pool.First, _Mapping[str, object]]] = ..., weighted: _Optional[_Union[Pool.Weighted, _Mapping[str, object]]] = ..., discount: _Optional[_Union[Pool.Discount, _Mapping[str, object]]] = ..., windowed_max: _Optional[_Union[Pool.WindowedMax, _Mapping[str, object]]] = ...) -> None: ...

class ScoreOptions(_message.Message):
    __slots__ = ("pool", "tau", "score", "top_k", "keep_context", "baseline_index", "per_step", "logits", "raw", "episode_step", "executed_index", "expert_index", "action_gradients")
    POOL_FIELD_NUMBER: _ClassVar[int]
    TAU_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    KEEP_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    BASELINE_INDEX_FIELD_NUMBER: _ClassVar[int]
    PER_STEP_FIELD_NUMBER: _ClassVar[int]
    LOGITS_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    EPISODE_STEP_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_INDEX_FIELD_NUMBER: _ClassVar[int]
    EXPERT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ACTION_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    tau: float
    score: Score
    top_k: int
    keep_context: KeepContext
    baseline_index: int
    per_step: bool
    logits: bool
    raw: bool
    episode_step: float
    executed_index: int
    expert_index: int
    action_gradients: bool
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping[str, object]]] = ..., tau: _Optional[float] = ..., score: _Optional[_Union[Score, str]] = ..., top_k: _Optional[int] = ..., keep_context: _Optional[_Union[KeepContext, _Mapping[str, object]]] = ..., baseline_index: _Optional[int] = ..., per_step: _Optional[bool] = ..., logits: _Optional[bool] = ..., raw: _Optional[bool] = ..., episode_step: _Optional[float] = ..., executed_index: _Optional[int] = ..., expert_index: _Optional[int] = ..., action_gradients: _Optional[bool] = ...) -> None: ...

class KeepContext(_message.Message):
    __slots__ = ("lease_ms",)
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    lease_ms: int
    def __init__(self, lease_ms: _Optional[int] = ...) -> None: ...

class ScoreActionsRequest(_message.Message):
    __slots__ = ("model", "inline", "context_id", "candidates", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    inline: InlineContext
    context_id: str
    candidates: _tensor_pb2.Tensor
    options: ScoreOptions
    def __init__(self, model: _Optional[str] = ..., inline: _Optional[_Union[InlineContext, _Mapping[str, object]]] = ..., context_id: _Optional[str] = ..., candidates: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., options: _Optional[_Union[ScoreOptions, _Mapping[str, object]]] = ...) -> None: ...

class ScoreActionsResponse(_message.Message):
    __slots__ = ("energies", "probabilities", "ranking", "best_index", "step_energies", "logits", "context", "baseline", "model", "timings", "keep_refused", "p_values", "tau", "action_gradients")
    ENERGIES_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    BEST_INDEX_FIELD_NUMBER: _ClassVar[int]
    STEP_ENERGIES_FIELD_NUMBER: _ClassVar[int]
    LOGITS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    KEEP_REFUSED_FIELD_NUMBER: _ClassVar[int]
    P_VALUES_FIELD_NUMBER: _ClassVar[int]
    TAU_FIELD_NUMBER: _ClassVar[int]
    ACTION_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    energies: _containers.RepeatedScalarFieldContainer[float]
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    ranking: _containers.RepeatedScalarFieldContainer[int]
    best_index: int
    step_energies: _tensor_pb2.Tensor
    logits: _containers.RepeatedScalarFieldContainer[float]
    context: KeptContext
    baseline: Baseline
    model: ModelVersion
    timings: Timings
    keep_refused: str
    p_values: _containers.RepeatedScalarFieldContainer[float]
    tau: float
    action_gradients: _tensor_pb2.Tensor
    def __init__(self, energies: _Optional[_Iterable[float]] = ..., probabilities: _Optional[_Iterable[float]] = ..., ranking: _Optional[_Iterable[int]] = ..., best_index: _Optional[int] = ..., step_energies: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., logits: _Optional[_Iterable[float]] = ..., context: _Optional[_Union[KeptContext, _Mapping[str, object]]] = ..., baseline: _Optional[_Union[Baseline, _Mapping[str, object]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ..., timings: _Optional[_Union[Timings, _Mapping[str, object]]] = ..., keep_refused: _Optional[str] = ..., p_values: _Optional[_Iterable[float]] = ..., tau: _Optional[float] = ..., action_gradients: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ...) -> None: ...

class Baseline(_message.Message):
    __slots__ = ("index", "energy", "rank", "advantage", "gate")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    index: int
    energy: float
    rank: int
    advantage: float
    gate: Gate
    def __init__(self, index: _Optional[int] = ..., energy: _Optional[float] = ..., rank: _Optional[int] = ..., advantage: _Optional[float] = ..., gate: _Optional[_Union[Gate, _Mapping[str, object]]] = ...) -> None: ...

class Gate(_message.Message):
    __slots__ = ("accepted", "margin_wanted", "margin_found")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    MARGIN_WANTED_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FOUND_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    margin_wanted: float
    margin_found: float
    def __init__(self, accepted: _Optional[bool] = ..., margin_wanted: _Optional[float] = ..., margin_found: _Optional[float] = ...) -> None: ...

class KeptContext(_message.Message):
    __slots__ = ("context_id", "bytes", "expires_at_ms")
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    context_id: str
    bytes: int
    expires_at_ms: int
    def __init__(self, context_id: _Optional[str] = ..., bytes: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("name", "digest", "calibration_version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    calibration_version: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., calibration_version: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queue_ms", "encode_ms", "score_ms", "total_ms")
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    ENCODE_MS_FIELD_NUMBER: _ClassVar[int]
    SCORE_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    queue_ms: float
    encode_ms: float
    score_ms: float
    total_ms: float
    def __init__(self, queue_ms: _Optional[float] = ..., encode_ms: _Optional[float] = ..., score_ms: _Optional[float] = ..., total_ms: _Optional[float] = ...) -> None: ...

class ScoreActionsStreamRequest(_message.Message):
    __slots__ = ("request_id", "request", "supersede", "timeout_ms")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    request: ScoreActionsRequest
    supersede: bool
    timeout_ms: int
    def __init__(self, request_id: _Optional[int] = ..., request: _Optional[_Union[ScoreActionsRequest, _Mapping[str, object]]] = ..., supersede: _Optional[bool] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class ScoreActionsStreamResponse(_message.Message):
    __slots__ = ("request_id", "response", "error", "superseded")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    response: ScoreActionsResponse
    error: _status_pb2.Status
    superseded: Superseded
    def __init__(self, request_id: _Optional[int] = ..., response: _Optional[_Union[ScoreActionsResponse, _Mapping[str, object]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping[str, object]]] = ..., superseded: _Optional[_Union[Superseded, _Mapping[str, object]]] = ...) -> None: ...

class Superseded(_message.Message):
    __slots__ = ("by_request_id",)
    BY_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    by_request_id: int
    def __init__(self, by_request_id: _Optional[int] = ...) -> None: ...

class PutContextRequest(_message.Message):
    __slots__ = ("model", "context", "lease_ms")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    model: str
    context: InlineContext
    lease_ms: int
    def __init__(self, model: _Optional[str] = ..., context: _Optional[_Union[InlineContext, _Mapping[str, object]]] = ..., lease_ms: _Optional[int] = ...) -> None: ...

class PutContextResponse(_message.Message):
    __slots__ = ("context", "model", "timings")
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    context: KeptContext
    model: ModelVersion
    timings: Timings
    def __init__(self, context: _Optional[_Union[KeptContext, _Mapping[str, object]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ..., timings: _Optional[_Union[Timings, _Mapping[str, object]]] = ...) -> None: ...

class DropContextRequest(_message.Message):
    __slots__ = ("model", "context_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    context_id: str
    def __init__(self, model: _Optional[str] = ..., context_id: _Optional[str] = ...) -> None: ...

class DropContextResponse(_message.Message):
    __slots__ = ("bytes",)
    BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    def __init__(self, bytes: _Optional[int] = ...) -> None: ...

class EnergyMatrixRequest(_message.Message):
    __slots__ = ("model", "contexts", "actions", "pool", "tau", "score")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    TAU_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    model: str
    contexts: _containers.RepeatedCompositeFieldContainer[Context]
    actions: _tensor_pb2.Tensor
    pool: Pool
    tau: float
    score: Score
    def __init__(self, model: _Optional[str] = ..., contexts: _Optional[_Iterable[_Union[Context, _Mapping[str, object]]]] = ..., actions: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., pool: _Optional[_Union[Pool, _Mapping[str, object]]] = ..., tau: _Optional[float] = ..., score: _Optional[_Union[Score, str]] = ...) -> None: ...

class EnergyMatrixResponse(_message.Message):
    __slots__ = ("energies", "metrics", "model", "timings")
    ENERGIES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    energies: _tensor_pb2.Tensor
    metrics: InBatchMetrics
    model: ModelVersion
    timings: Timings
    def __init__(self, energies: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., metrics: _Optional[_Union[InBatchMetrics, _Mapping[str, object]]] = ..., model: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ..., timings: _Optional[_Union[Timings, _Mapping[str, object]]] = ...) -> None: ...

class InBatchMetrics(_message.Message):
    __slots__ = ("infonce_loss", "accuracy", "positive_energy", "negative_energy")
    INFONCE_LOSS_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_ENERGY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_ENERGY_FIELD_NUMBER: _ClassVar[int]
    infonce_loss: float
    accuracy: float
    positive_energy: float
    negative_energy: float
    def __init__(self, infonce_loss: _Optional[float] = ..., accuracy: _Optional[float] = ..., positive_energy: _Optional[float] = ..., negative_energy: _Optional[float] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping[str, object]]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("version", "is_default", "state", "architecture", "state_dim", "action_dim", "chunk", "tau", "card_json", "provider", "threads", "bytes_per_token", "limits", "calibration")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[Model.State]
        LOADING: _ClassVar[Model.State]
        READY: _ClassVar[Model.State]
        FAILED: _ClassVar[Model.State]
        DRAINING: _ClassVar[Model.State]
    STATE_UNSPECIFIED: Model.State
    LOADING: Model.State
    READY: Model.State
    FAILED: Model.State
    DRAINING: Model.State
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    STATE_DIM_FIELD_NUMBER: _ClassVar[int]
    ACTION_DIM_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    TAU_FIELD_NUMBER: _ClassVar[int]
    CARD_JSON_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    version: ModelVersion
    is_default: bool
    state: Model.State
    architecture: str
    state_dim: int
    action_dim: int
    chunk: int
    tau: float
    card_json: str
    provider: str
    threads: int
    bytes_per_token: int
    limits: Limits
    calibration: CalibrationStatus
    def __init__(self, version: _Optional[_Union[ModelVersion, _Mapping[str, object]]] = ..., is_default: _Optional[bool] = ..., state: _Optional[_Union[Model.State, str]] = ..., architecture: _Optional[str] = ..., state_dim: _Optional[int] = ..., action_dim: _Optional[int] = ..., chunk: _Optional[int] = ..., tau: _Optional[float] = ..., card_json: _Optional[str] = ..., provider: _Optional[str] = ..., threads: _Optional[int] = ..., bytes_per_token: _Optional[int] = ..., limits: _Optional[_Union[Limits, _Mapping[str, object]]] = ..., calibration: _Optional[_Union[CalibrationStatus, _Mapping[str, object]]] = ...) -> None: ...

class CalibrationStatus(_message.Message):
    __slots__ = ("state", "problem", "created", "readout_tau", "logit_tau", "hidden_octaves")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[CalibrationStatus.State]
        NONE: _ClassVar[CalibrationStatus.State]
        APPLIED: _ClassVar[CalibrationStatus.State]
        REFUSED: _ClassVar[CalibrationStatus.State]
    STATE_UNSPECIFIED: CalibrationStatus.State
    NONE: CalibrationStatus.State
    APPLIED: CalibrationStatus.State
    REFUSED: CalibrationStatus.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    READOUT_TAU_FIELD_NUMBER: _ClassVar[int]
    LOGIT_TAU_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_OCTAVES_FIELD_NUMBER: _ClassVar[int]
    state: CalibrationStatus.State
    problem: str
    created: str
    readout_tau: float
    logit_tau: float
    hidden_octaves: HiddenOctaves
    def __init__(self, state: _Optional[_Union[CalibrationStatus.State, str]] = ..., problem: _Optional[str] = ..., created: _Optional[str] = ..., readout_tau: _Optional[float] = ..., logit_tau: _Optional[float] = ..., hidden_octaves: _Optional[_Union[HiddenOctaves, _Mapping[str, object]]] = ...) -> None: ...

class HiddenOctaves(_message.Message):
    __slots__ = ("p05", "p50", "p95")
    P05_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    p05: float
    p50: float
    p95: float
    def __init__(self, p05: _Optional[float] = ..., p50: _Optional[float] = ..., p95: _Optional[float] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("message_bytes", "tokens", "candidates", "steps", "contexts", "stream_outstanding", "lease_ms", "scored_steps")
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    CONTEXTS_FIELD_NUMBER: _ClassVar[int]
    STREAM_OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    SCORED_STEPS_FIELD_NUMBER: _ClassVar[int]
    message_bytes: int
    tokens: int
    candidates: int
    steps: int
    contexts: int
    stream_outstanding: int
    lease_ms: int
    scored_steps: int
    def __init__(self, message_bytes: _Optional[int] = ..., tokens: _Optional[int] = ..., candidates: _Optional[int] = ..., steps: _Optional[int] = ..., contexts: _Optional[int] = ..., stream_outstanding: _Optional[int] = ..., lease_ms: _Optional[int] = ..., scored_steps: _Optional[int] = ...) -> None: ...
