"""Client of action-energy: scores, ranks and selects robot action chunks.

from action_energy import EnergyClient

client = EnergyClient("127.0.0.1:50051", deadline=0.05)
choice = client.select(hidden, candidates, mask=mask)   # [S, D], [N, H, A], [S]
robot.execute(choice.chunk)                             # the baseline, marked, whenever anything is wrong
"""

from action_energy.aio import AsyncContext, AsyncEnergyClient
from action_energy.aio_stream import AsyncScoreStream
from action_energy.answers import StreamAnswer
from action_energy.arrays import BFloat16
from action_energy.client import Context, EnergyClient
from action_energy.errors import (
    Cancelled,
    DeadlineExceeded,
    EnergyError,
    InternalError,
    InvalidInput,
    NotFound,
    NotReady,
    Overloaded,
    PermissionDenied,
    Superseded,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from action_energy.model import Gripper, Limits, ModelInfo
from action_energy.results import (
    AnsweredBy,
    BaselineRank,
    Gate,
    GateMonitor,
    Matrix,
    OutcomeReport,
    Ranking,
    Refinement,
    Selection,
    Timings,
)
from action_energy.stream import ScoreStream
from action_energy.target import TLS
from action_energy.training import StepMetrics, Training

__version__ = "0.1.0"

__all__ = [
    "TLS",
    "AnsweredBy",
    "AsyncContext",
    "AsyncEnergyClient",
    "AsyncScoreStream",
    "BFloat16",
    "BaselineRank",
    "Cancelled",
    "Context",
    "DeadlineExceeded",
    "EnergyClient",
    "EnergyError",
    "Gate",
    "GateMonitor",
    "Gripper",
    "InternalError",
    "InvalidInput",
    "Limits",
    "Matrix",
    "ModelInfo",
    "NotFound",
    "NotReady",
    "OutcomeReport",
    "Overloaded",
    "PermissionDenied",
    "Ranking",
    "Refinement",
    "ScoreStream",
    "Selection",
    "StepMetrics",
    "StreamAnswer",
    "Superseded",
    "Timings",
    "Training",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
]
