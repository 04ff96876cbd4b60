from . import energy_pb2 as _energy_pb2
from . import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Rule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_UNSPECIFIED: _ClassVar[Rule]
    AUTO: _ClassVar[Rule]
    ENERGY: _ClassVar[Rule]
    ENERGY_MEAN: _ClassVar[Rule]
    CONSENSUS: _ClassVar[Rule]
    CONSENSUS_MEAN: _ClassVar[Rule]
    CONSENSUS_OF_BEST: _ClassVar[Rule]
    REFINE: _ClassVar[Rule]
RULE_UNSPECIFIED: Rule
AUTO: Rule
ENERGY: Rule
ENERGY_MEAN: Rule
CONSENSUS: Rule
CONSENSUS_MEAN: Rule
CONSENSUS_OF_BEST: Rule
REFINE: Rule

class Refinement(_message.Message):
    __slots__ = ("steps", "step_length", "trust_radius", "dims")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_LENGTH_FIELD_NUMBER: _ClassVar[int]
    TRUST_RADIUS_FIELD_NUMBER: _ClassVar[int]
    DIMS_FIELD_NUMBER: _ClassVar[int]
    steps: int
    step_length: float
    trust_radius: float
    dims: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, steps: _Optional[int] = ..., step_length: _Optional[float] = ..., trust_radius: _Optional[float] = ..., dims: _Optional[_Iterable[int]] = ...) -> None: ...

class SelectActionRequest(_message.Message):
    __slots__ = ("model", "inline", "context_id", "candidates", "baseline_index", "rule", "score", "ungated", "keep_context", "timeout_ms", "episode_step", "episode_id", "task_id", "refinement")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INLINE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    BASELINE_INDEX_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    UNGATED_FIELD_NUMBER: _ClassVar[int]
    KEEP_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    EPISODE_STEP_FIELD_NUMBER: _ClassVar[int]
    EPISODE_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REFINEMENT_FIELD_NUMBER: _ClassVar[int]
    model: str
    inline: _energy_pb2.InlineContext
    context_id: str
    candidates: _tensor_pb2.Tensor
    baseline_index: int
    rule: Rule
    score: _energy_pb2.Score
    ungated: bool
    keep_context: _energy_pb2.KeepContext
    timeout_ms: int
    episode_step: float
    episode_id: int
    task_id: int
    refinement: Refinement
    def __init__(self, model: _Optional[str] = ..., inline: _Optional[_Union[_energy_pb2.InlineContext, _Mapping[str, object]]] = ..., context_id: _Optional[str] = ..., candidates: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., baseline_index: _Optional[int] = ..., rule: _Optional[_Union[Rule, str]] = ..., score: _Optional[_Union[_energy_pb2.Score, str]] = ..., ungated: _Optional[bool] = ..., keep_context: _Optional[_Union[_energy_pb2.KeepContext, _Mapping[str, object]]] = ..., timeout_ms: _Optional[int] = ..., episode_step: _Optional[float] = ..., episode_id: _Optional[int] = ..., task_id: _Optional[int] = ..., refinement: _Optional[_Union[Refinement, _Mapping[str, object]]] = ...) -> None: ...

class SelectActionResponse(_message.Message):
    __slots__ = ("action", "origin", "candidate_index", "rule", "fallback", "reason", "energies", "weights", "consensus", "gate", "context", "keep_refused", "model", "timings", "request_id", "refinement")
    class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ORIGIN_UNSPECIFIED: _ClassVar[SelectActionResponse.Origin]
        CANDIDATE: _ClassVar[SelectActionResponse.Origin]
        AVERAGE: _ClassVar[SelectActionResponse.Origin]
        BASELINE: _ClassVar[SelectActionResponse.Origin]
        REFINED: _ClassVar[SelectActionResponse.Origin]
    ORIGIN_UNSPECIFIED: SelectActionResponse.Origin
    CANDIDATE: SelectActionResponse.Origin
    AVERAGE: SelectActionResponse.Origin
    BASELINE: SelectActionResponse.Origin
    REFINED: SelectActionResponse.Origin
    class Fallback(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[SelectActionResponse.Fallback]
        DEADLINE: _ClassVar[SelectActionResponse.Fallback]
        OVERLOAD: _ClassVar[SelectActionResponse.Fallback]
        ENGINE: _ClassVar[SelectActionResponse.Fallback]
        NOT_CALIBRATED: _ClassVar[SelectActionResponse.Fallback]
        MUST_NOT_CHOOSE: _ClassVar[SelectActionResponse.Fallback]
        GATE_CLOSED: _ClassVar[SelectActionResponse.Fallback]
        GATE_REFUSED: _ClassVar[SelectActionResponse.Fallback]
        CONTROL: _ClassVar[SelectActionResponse.Fallback]
    NONE: SelectActionResponse.Fallback
    DEADLINE: SelectActionResponse.Fallback
    OVERLOAD: SelectActionResponse.Fallback
    ENGINE: SelectActionResponse.Fallback
    NOT_CALIBRATED: SelectActionResponse.Fallback
    MUST_NOT_CHOOSE: SelectActionResponse.Fallback
    GATE_CLOSED: SelectActionResponse.Fallback
    GATE_REFUSED: SelectActionResponse.Fallback
    CONTROL: SelectActionResponse.Fallback
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_INDEX_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENERGIES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    CONSENSUS_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    KEEP_REFUSED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REFINEMENT_FIELD_NUMBER: _ClassVar[int]
    action: _tensor_pb2.Tensor
    origin: SelectActionResponse.Origin
    candidate_index: int
    rule: Rule
    fallback: SelectActionResponse.Fallback
    reason: str
    energies: _containers.RepeatedScalarFieldContainer[float]
    weights: _containers.RepeatedScalarFieldContainer[float]
    consensus: Consensus
    gate: _energy_pb2.Gate
    context: _energy_pb2.KeptContext
    keep_refused: str
    model: _energy_pb2.ModelVersion
    timings: _energy_pb2.Timings
    request_id: str
    refinement: Refined
    def __init__(self, action: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., origin: _Optional[_Union[SelectActionResponse.Origin, str]] = ..., candidate_index: _Optional[int] = ..., rule: _Optional[_Union[Rule, str]] = ..., fallback: _Optional[_Union[SelectActionResponse.Fallback, str]] = ..., reason: _Optional[str] = ..., energies: _Optional[_Iterable[float]] = ..., weights: _Optional[_Iterable[float]] = ..., consensus: _Optional[_Union[Consensus, _Mapping[str, object]]] = ..., gate: _Optional[_Union[_energy_pb2.Gate, _Mapping[str, object]]] = ..., context: _Optional[_Union[_energy_pb2.KeptContext, _Mapping[str, object]]] = ..., keep_refused: _Optional[str] = ..., model: _Optional[_Union[_energy_pb2.ModelVersion, _Mapping[str, object]]] = ..., timings: _Optional[_Union[_energy_pb2.Timings, _Mapping[str, object]]] = ..., request_id: _Optional[str] = ..., refinement: _Optional[_Union[Refined, _Mapping[str, object]]] = ...) -> None: ...

class Refined(_message.Message):
    __slots__ = ("start_energy", "energy", "steps_taken", "displacement", "end")
    class End(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        END_UNSPECIFIED: _ClassVar[Refined.End]
        STEPS: _ClassVar[Refined.End]
        LOWEST: _ClassVar[Refined.End]
        TIME: _ClassVar[Refined.End]
        ROOM: _ClassVar[Refined.End]
        FAILED: _ClassVar[Refined.End]
    END_UNSPECIFIED: Refined.End
    STEPS: Refined.End
    LOWEST: Refined.End
    TIME: Refined.End
    ROOM: Refined.End
    FAILED: Refined.End
    START_ENERGY_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    STEPS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    DISPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start_energy: float
    energy: float
    steps_taken: int
    displacement: float
    end: Refined.End
    def __init__(self, start_energy: _Optional[float] = ..., energy: _Optional[float] = ..., steps_taken: _Optional[int] = ..., displacement: _Optional[float] = ..., end: _Optional[_Union[Refined.End, str]] = ...) -> None: ...

class Consensus(_message.Message):
    __slots__ = ("index", "action", "modes")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    index: int
    action: _tensor_pb2.Tensor
    modes: int
    def __init__(self, index: _Optional[int] = ..., action: _Optional[_Union[_tensor_pb2.Tensor, _Mapping[str, object]]] = ..., modes: _Optional[int] = ...) -> None: ...

class ReportOutcomeRequest(_message.Message):
    __slots__ = ("request_id", "executed_index", "success", "cost", "baseline_cost", "whole_episode")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_INDEX_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    BASELINE_COST_FIELD_NUMBER: _ClassVar[int]
    WHOLE_EPISODE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    executed_index: int
    success: bool
    cost: float
    baseline_cost: float
    whole_episode: bool
    def __init__(self, request_id: _Optional[str] = ..., executed_index: _Optional[int] = ..., success: _Optional[bool] = ..., cost: _Optional[float] = ..., baseline_cost: _Optional[float] = ..., whole_episode: _Optional[bool] = ...) -> None: ...

class ReportOutcomeResponse(_message.Message):
    __slots__ = ("decisions", "counted", "not_counted", "monitor")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    NOT_COUNTED_FIELD_NUMBER: _ClassVar[int]
    MONITOR_FIELD_NUMBER: _ClassVar[int]
    decisions: int
    counted: bool
    not_counted: str
    monitor: GateMonitor
    def __init__(self, decisions: _Optional[int] = ..., counted: _Optional[bool] = ..., not_counted: _Optional[str] = ..., monitor: _Optional[_Union[GateMonitor, _Mapping[str, object]]] = ...) -> None: ...

class GateMonitor(_message.Message):
    __slots__ = ("open", "evidence", "closes_at", "outcomes")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CLOSES_AT_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    open: bool
    evidence: float
    closes_at: float
    outcomes: int
    def __init__(self, open: _Optional[bool] = ..., evidence: _Optional[float] = ..., closes_at: _Optional[float] = ..., outcomes: _Optional[int] = ...) -> None: ...
