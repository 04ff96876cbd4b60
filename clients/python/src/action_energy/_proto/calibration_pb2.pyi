from . import energy_pb2 as _energy_pb2
from . import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CalibrateRequest(_message.Message):
    __slots__ = ("header", "rows")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    header: CalibrationHeader
    rows: CalibrationRows
    def __init__(self, header: _Optional[_Union[CalibrationHeader, _Mapping[str, object]]] = ..., rows: _Optional[_Union[CalibrationRows, _Mapping[str, object]]] = ...) -> None: ...

class CalibrationHeader(_message.Message):
    __slots__ = ("model", "rows", "source", "options")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    rows: int
    source: str
    options: CalibrationOptions
    def __init__(self, model: _Optional[str] = ..., rows: _Optional[int] = ..., source: _Optional[str] = ..., options: _Optional[_Union[CalibrationOptions, _Mapping[str, object]]] = ...) -> None: ...

class CalibrationOptions(_message.Message):
    __slots__ = ("batch", "seed", "near_duplicate")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    NEAR_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    batch: int
    seed: int
    near_duplicate: float
    def __init__(self, batch: _Optional[int] = ..., seed: _Optional[int] = ..., near_duplicate: _Optional[float] = ...) -> None: ...

class CalibrationRows(_message.Message):
    __slots__ = ("hidden", "offsets", "actions", "pad_mask", "task_id", "episode_id", "step", "negatives", "layer_actions", "policy_actions", "candidates", "candidate_cost", "outcome", "token_group")
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    PAD_MASK_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EPISODE_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    LAYER_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    POLICY_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_COST_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TOKEN_GROUP_FIELD_NUMBER: _ClassVar[int]
    hidden: _tensor_pb2.Tensor
    offsets: _containers.RepeatedScalarFieldContainer[int]
    actions: _tensor_pb2.Tensor
    pad_mask: _tensor_pb2.Tensor
    task_id: _containers.RepeatedScalarFieldContainer[float]
    episode_id: _containers.RepeatedScalarFieldContainer[float]
    step: _containers.RepeatedScalarFieldContainer[float]
    negatives: _tensor_pb2.Tensor
    layer_actions: _tensor_pb2.Tensor
    policy_actions: _tensor_pb2.Tensor
    candidates: _tensor_pb2.Tensor
    candidate_cost: _tensor_pb2.Tensor
    outcome: _containers.RepeatedScalarFieldContainer[float]
    token_group: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, hidden: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., offsets: _Optional[_Iterable[int]] = ..., actions: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., pad_mask: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., task_id: _Optional[_Iterable[float]] = ..., episode_id: _Optional[_Iterable[float]] = ..., step: _Optional[_Iterable[float]] = ..., negatives: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., layer_actions: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., policy_actions: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., candidates: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., candidate_cost: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., outcome: _Optional[_Iterable[float]] = ..., token_group: _Optional[_Iterable[int]] = ...) -> None: ...

class Figure(_message.Message):
    __slots__ = ("value", "low", "high")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    value: float
    low: float
    high: float
    def __init__(self, value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class KeyFigures(_message.Message):
    __slots__ = ("reported_rows", "fitted_rows", "better", "readout_tau", "logit_tau", "infonce_before", "infonce_after", "infonce_chance", "top1", "ece_before", "ece_after", "positive_energy", "negative_energy", "swap_auroc", "judgement")
    REPORTED_ROWS_FIELD_NUMBER: _ClassVar[int]
    FITTED_ROWS_FIELD_NUMBER: _ClassVar[int]
    BETTER_FIELD_NUMBER: _ClassVar[int]
    READOUT_TAU_FIELD_NUMBER: _ClassVar[int]
    LOGIT_TAU_FIELD_NUMBER: _ClassVar[int]
    INFONCE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    INFONCE_AFTER_FIELD_NUMBER: _ClassVar[int]
    INFONCE_CHANCE_FIELD_NUMBER: _ClassVar[int]
    TOP1_FIELD_NUMBER: _ClassVar[int]
    ECE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ECE_AFTER_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_ENERGY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_ENERGY_FIELD_NUMBER: _ClassVar[int]
    SWAP_AUROC_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    reported_rows: int
    fitted_rows: int
    better: _energy_pb2.Score
    readout_tau: float
    logit_tau: float
    infonce_before: Figure
    infonce_after: Figure
    infonce_chance: float
    top1: Figure
    ece_before: Figure
    ece_after: Figure
    positive_energy: Figure
    negative_energy: Figure
    swap_auroc: Figure
    judgement: Judgement
    def __init__(self, reported_rows: _Optional[int] = ..., fitted_rows: _Optional[int] = ..., better: _Optional[_Union[_energy_pb2.Score, str]] = ..., readout_tau: _Optional[float] = ..., logit_tau: _Optional[float] = ..., infonce_before: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., infonce_after: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., infonce_chance: _Optional[float] = ..., top1: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., ece_before: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., ece_after: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., positive_energy: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., negative_energy: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., swap_auroc: _Optional[_Union[Figure, _Mapping[str, object]]] = ..., judgement: _Optional[_Union[Judgement, _Mapping[str, object]]] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("verdict", "reasons")
    class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VERDICT_UNSPECIFIED: _ClassVar[Judgement.Verdict]
        MAY_CHOOSE: _ClassVar[Judgement.Verdict]
        MAY_CHOOSE_BEHIND_GATE: _ClassVar[Judgement.Verdict]
        MUST_NOT_CHOOSE: _ClassVar[Judgement.Verdict]
    VERDICT_UNSPECIFIED: Judgement.Verdict
    MAY_CHOOSE: Judgement.Verdict
    MAY_CHOOSE_BEHIND_GATE: Judgement.Verdict
    MUST_NOT_CHOOSE: Judgement.Verdict
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    verdict: Judgement.Verdict
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, verdict: _Optional[_Union[Judgement.Verdict, str]] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class CalibrateResponse(_message.Message):
    __slots__ = ("model", "figures", "report_json")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    model: _energy_pb2.ModelVersion
    figures: KeyFigures
    report_json: str
    def __init__(self, model: _Optional[_Union[_energy_pb2.ModelVersion, _Mapping[str, object]]] = ..., figures: _Optional[_Union[KeyFigures, _Mapping[str, object]]] = ..., report_json: _Optional[str] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("model", "figures", "report_json")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    REPORT_JSON_FIELD_NUMBER: _ClassVar[int]
    model: _energy_pb2.ModelVersion
    figures: KeyFigures
    report_json: str
    def __init__(self, model: _Optional[_Union[_energy_pb2.ModelVersion, _Mapping[str, object]]] = ..., figures: _Optional[_Union[KeyFigures, _Mapping[str, object]]] = ..., report_json: _Optional[str] = ...) -> None: ...

class GetCalibrationRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class GetCalibrationResponse(_message.Message):
    __slots__ = ("model", "figures", "calibration_json")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_JSON_FIELD_NUMBER: _ClassVar[int]
    model: _energy_pb2.ModelVersion
    figures: KeyFigures
    calibration_json: str
    def __init__(self, model: _Optional[_Union[_energy_pb2.ModelVersion, _Mapping[str, object]]] = ..., figures: _Optional[_Union[KeyFigures, _Mapping[str, object]]] = ..., calibration_json: _Optional[str] = ...) -> None: ...
