"""The blocking client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Collection, List, Optional, Sequence, TypeVar, Union

from action_energy import results
from action_energy.arrays import ArrayLike
from action_energy.contexts import ContextHandle, ContextLike
from action_energy.drive import drive
from action_energy.errors import DeadlineExceeded, EnergyError, Unavailable
from action_energy.model import ModelInfo
from action_energy.operations import Operations
from action_energy.options import (
    ContextOptions,
    MatrixOptions,
    OutcomeOptions,
    RankOptions,
    RefineOptions,
    SelectOptions,
    TrainOptions,
)
from action_energy.plans import Plan
from action_energy.stream import ScoreStream
from action_energy.target import TLS, Target, Token
from action_energy.training import Training, training_start
from action_energy.transport import GrpcTransport, Transport

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar("T")


class EnergyClient:
    """One connection to one server; threads may share it.

    `address`: HOST:PORT or unix:PATH. `tls`: absent, none. `token`: a bearer token, or a function that gives the one in
    force (called for every request). `model`: name, empty for the server's default. `deadline`: seconds of a call, all
    attempts together; also the deadline of its place in the server's queue. `unchecked`: names of checks to leave out
    (`mask`, `hidden`, `actions`; see `action_energy.checks`). `affinity`: key of this robot, where a proxy stands before several
    servers and outcomes of whole episodes are reported (`action_energy.affinity`). `transport`: another way to a server, e.g.
    `action_energy.testing.FakeServer()`.

    Every call may raise an `EnergyError`; only `select` and `refine` give the baseline back instead. Only arguments that are wrong
    whatever the server says raise before a byte is sent.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        tls: Optional[TLS] = None,
        token: Optional[Token] = None,
        model: str = "",
        deadline: Optional[float] = 1.0,
        unchecked: Collection[str] = (),
        insecure_token: bool = False,
        affinity: Optional[str] = None,
        transport: Optional[Transport] = None,
    ) -> None:
        self._operations = Operations(model, deadline, unchecked, affinity)
        self._transport = transport or GrpcTransport(Target(address, tls, token, insecure_token))

    def rank(
        self, hidden: Union[ArrayLike, Context], candidates: ArrayLike, **options: Unpack[RankOptions]
    ) -> results.Ranking:
        """Energies and ranking of candidate chunks in one context. Options: `action_energy.options.RankOptions`.

        `hidden`: [S, D] or [1, S, D] (a global_context model: [D] or [1, D]), float32, float16 or bfloat16; NumPy, PyTorch,
        JAX. Or a `context(...)`. `candidates`: [N, H, A], or [H, A] for one, in the units of the model's card.
        """
        return self._run(self._operations.rank(_handle(hidden), candidates, **options))

    def select(
        self, hidden: Union[ArrayLike, Context], candidates: ArrayLike, **options: Unpack[SelectOptions]
    ) -> results.Selection:
        """The chunk to execute: what a policy server calls once a tick. Arrays as in `rank`; options:
        `action_energy.options.SelectOptions`.

        Whatever goes wrong (no server, overload, deadline, a revoked token, bad hidden states), the baseline comes back,
        marked: `is_baseline`, `fallback`, `error`. Raises only for arguments that no data can make right: candidates that
        are no chunks, an index or a name that does not exist.
        """
        return self._run(self._operations.select(_handle(hidden), candidates, **options))

    def refine(
        self, hidden: Union[ArrayLike, Context], candidates: ArrayLike, **options: Unpack[RefineOptions]
    ) -> results.Selection:
        """`select` by the rule `refine`, experimental: the candidate of the lowest energy, moved down its energy's gradient by a
        few short steps. In closed loops it has not been found better than `rule="energy"`. Like `select` it never raises into
        a loop. Options: `action_energy.options.RefineOptions`."""
        return self._run(self._operations.refine(_handle(hidden), candidates, **options))

    def matrix(
        self,
        contexts: Sequence[Union[ArrayLike, Context]],
        chunks: ArrayLike,
        **options: Unpack[MatrixOptions],
    ) -> results.Matrix:
        """Every context by every chunk [M, H, A]; with B = M >= 2 the swap InfoNCE loss and accuracy too. Options:
        `action_energy.options.MatrixOptions`."""
        handles = [_handle(context) for context in contexts]
        return self._run(self._operations.matrix(handles, chunks, **options))

    def context(self, hidden: ArrayLike, **options: Unpack[ContextOptions]) -> Context:
        """A context that the server keeps, for several `rank`s and `select`s on one frame: sent with its first use, again by
        itself whenever the server has lost it, and dropped at the end of a `with` block. Options:
        `action_energy.options.ContextOptions`."""
        return Context(self, self._run(self._operations.open_context(hidden, **options)))

    def stream(self, *, model: Optional[str] = None) -> ScoreStream:
        """A stream for a control loop: `submit(...)`, `latest()`."""
        return ScoreStream(self._operations, self._transport, model)

    def train(self, **options: Unpack[TrainOptions]) -> Training:
        """A training session on a server that was started with `--training`: `step(batch)`, `save(name)`; one at a time a server.
        Options: `action_energy.options.TrainOptions`.

        Errors: `InvalidInput` with the field; `NotReady` a server that does not train; `Overloaded` somebody else trains.
        """
        return Training(self._transport, training_start(self._operations.model_name, **options))

    def report_outcome(
        self, decision: Union[str, results.Selection], **options: Unpack[OutcomeOptions]
    ) -> results.OutcomeReport:
        """How what was executed went: `success`, or `cost` from 0 (good) to 1. Options:
        `action_energy.options.OutcomeOptions`."""
        return self._run(self._operations.report_outcome(decision, **options))

    def health(self, model: Optional[str] = None, *, deadline: Optional[float] = None) -> str:
        """`SERVING`, `NOT_SERVING` or `UNKNOWN`; of the server, or of one model."""
        return self._run(self._operations.health(model, deadline))

    def model(self, model: Optional[str] = None, *, deadline: Optional[float] = None) -> ModelInfo:
        """Card, limits and state of a model, read anew."""
        return self._run(self._operations.model(model, deadline))

    def models(self, *, deadline: Optional[float] = None) -> List[ModelInfo]:
        return self._run(self._operations.models(deadline))

    def wait_until_ready(self, timeout: float = 60.0) -> ModelInfo:
        """Waits for a server that starts, then gives its model back and spares the first request of a loop the handshake.
        Errors: `DeadlineExceeded` with what was found last."""
        end = time.monotonic() + timeout
        while True:
            try:
                left = max(0.05, end - time.monotonic())
                if self.health(deadline=left) == "SERVING":
                    return self.model(deadline=left)
                found = "NOT_SERVING"
            except (Unavailable, DeadlineExceeded) as error:
                found = str(error)
            if time.monotonic() >= end:
                raise DeadlineExceeded(
                    "the server is not ready", found=found, wanted=f"SERVING within {timeout:g} s"
                )
            time.sleep(0.1)

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> EnergyClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self, plan: Plan[T]) -> T:
        return drive(plan, self._transport)


class Context:
    """Made by `EnergyClient.context`."""

    def __init__(self, client: EnergyClient, handle: ContextHandle) -> None:
        self._client = client
        self.handle = handle

    @property
    def id(self) -> Optional[str]:
        """On the server; None while it is not known to be kept."""
        return self.handle.id

    def rank(self, candidates: ArrayLike, **options: Unpack[RankOptions]) -> results.Ranking:
        """`EnergyClient.rank` in this context."""
        return self._client.rank(self, candidates, **options)

    def select(self, candidates: ArrayLike, **options: Unpack[SelectOptions]) -> results.Selection:
        """`EnergyClient.select` in this context."""
        return self._client.select(self, candidates, **options)

    def refine(self, candidates: ArrayLike, **options: Unpack[RefineOptions]) -> results.Selection:
        """`EnergyClient.refine` in this context."""
        return self._client.refine(self, candidates, **options)

    def drop(self) -> None:
        """Forgets it on the server. One that is gone already is no error."""
        self._client._run(self._client._operations.drop_context(self.handle, None))

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.drop()
        except EnergyError:
            pass  # its lease ends anyway


def _handle(hidden: Union[ArrayLike, Context]) -> ContextLike:
    return hidden.handle if isinstance(hidden, Context) else hidden
