from . import calibration_pb2 as _calibration_pb2
from . import energy_pb2 as _energy_pb2
from . import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainStepRequest(_message.Message):
    __slots__ = ("start", "rows", "save")
    START_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SAVE_FIELD_NUMBER: _ClassVar[int]
    start: TrainingStart
    rows: _calibration_pb2.CalibrationRows
    save: SaveModel
    def __init__(self, start: _Optional[_Union[TrainingStart, _Mapping[str, object]]] = ..., rows: _Optional[_Union[_calibration_pb2.CalibrationRows, _Mapping[str, object]]] = ..., save: _Optional[_Union[SaveModel, _Mapping[str, object]]] = ...) -> None: ...

class TrainingStart(_message.Message):
    __slots__ = ("model", "card_json", "recipe")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CARD_JSON_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    model: str
    card_json: str
    recipe: TrainingRecipe
    def __init__(self, model: _Optional[str] = ..., card_json: _Optional[str] = ..., recipe: _Optional[_Union[TrainingRecipe, _Mapping[str, object]]] = ...) -> None: ...

class TrainingRecipe(_message.Message):
    __slots__ = ("losses", "tau", "negatives", "accumulate", "updates", "learning_rate", "weight_decay", "schedule", "ramp_updates", "energy_warm_steps", "clip", "dropout", "seed")
    class Schedule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CONSTANT: _ClassVar[TrainingRecipe.Schedule]
        COSINE: _ClassVar[TrainingRecipe.Schedule]
    CONSTANT: TrainingRecipe.Schedule
    COSINE: TrainingRecipe.Schedule
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    TAU_FIELD_NUMBER: _ClassVar[int]
    NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    ACCUMULATE_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    RAMP_UPDATES_FIELD_NUMBER: _ClassVar[int]
    ENERGY_WARM_STEPS_FIELD_NUMBER: _ClassVar[int]
    CLIP_FIELD_NUMBER: _ClassVar[int]
    DROPOUT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    losses: _containers.RepeatedCompositeFieldContainer[TrainingLoss]
    tau: float
    negatives: _containers.RepeatedScalarFieldContainer[str]
    accumulate: int
    updates: int
    learning_rate: float
    weight_decay: float
    schedule: TrainingRecipe.Schedule
    ramp_updates: int
    energy_warm_steps: int
    clip: float
    dropout: float
    seed: int
    def __init__(self, losses: _Optional[_Iterable[_Union[TrainingLoss, _Mapping[str, object]]]] = ..., tau: _Optional[float] = ..., negatives: _Optional[_Iterable[str]] = ..., accumulate: _Optional[int] = ..., updates: _Optional[int] = ..., learning_rate: _Optional[float] = ..., weight_decay: _Optional[float] = ..., schedule: _Optional[_Union[TrainingRecipe.Schedule, str]] = ..., ramp_updates: _Optional[int] = ..., energy_warm_steps: _Optional[int] = ..., clip: _Optional[float] = ..., dropout: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class TrainingLoss(_message.Message):
    __slots__ = ("kind", "weight")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    weight: float
    def __init__(self, kind: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class SaveModel(_message.Message):
    __slots__ = ("name", "replace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    replace: bool
    def __init__(self, name: _Optional[str] = ..., replace: _Optional[bool] = ...) -> None: ...

class TrainStepResponse(_message.Message):
    __slots__ = ("started", "step", "saved", "error")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    SAVED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    started: TrainingStarted
    step: TrainingFigures
    saved: SavedModel
    error: _status_pb2.Status
    def __init__(self, started: _Optional[_Union[TrainingStarted, _Mapping[str, object]]] = ..., step: _Optional[_Union[TrainingFigures, _Mapping[str, object]]] = ..., saved: _Optional[_Union[SavedModel, _Mapping[str, object]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping[str, object]]] = ...) -> None: ...

class TrainingStarted(_message.Message):
    __slots__ = ("model", "parameters")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    model: _energy_pb2.ModelVersion
    parameters: int
    def __init__(self, model: _Optional[_Union[_energy_pb2.ModelVersion, _Mapping[str, object]]] = ..., parameters: _Optional[int] = ...) -> None: ...

class TrainingFigures(_message.Message):
    __slots__ = ("step", "updates", "energy_loss", "positive_energy", "negative_energy", "accuracy", "gradient_norm", "learning_rate")
    STEP_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    ENERGY_LOSS_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_ENERGY_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_ENERGY_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORM_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    step: int
    updates: int
    energy_loss: float
    positive_energy: float
    negative_energy: float
    accuracy: float
    gradient_norm: float
    learning_rate: float
    def __init__(self, step: _Optional[int] = ..., updates: _Optional[int] = ..., energy_loss: _Optional[float] = ..., positive_energy: _Optional[float] = ..., negative_energy: _Optional[float] = ..., accuracy: _Optional[float] = ..., gradient_norm: _Optional[float] = ..., learning_rate: _Optional[float] = ...) -> None: ...

class SavedModel(_message.Message):
    __slots__ = ("model", "step")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    model: _energy_pb2.ModelVersion
    step: int
    def __init__(self, model: _Optional[_Union[_energy_pb2.ModelVersion, _Mapping[str, object]]] = ..., step: _Optional[int] = ...) -> None: ...
