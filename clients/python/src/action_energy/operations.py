"""What the clients can do, as plans; the blocking and the asyncio client only differ in who drives them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Collection, Dict, List, Optional, Sequence, Union

import numpy as np
import numpy.typing as npt

from action_energy import results
from action_energy._proto import energy_pb2, selection_pb2
from action_energy.affinity import AffinityKeys
from action_energy.arrays import ArrayLike
from action_energy.checks import check_choice, check_index, check_unchecked
from action_energy.contexts import ContextHandle, ContextLike, Sender
from action_energy.errors import EnergyError, InternalError, InvalidInput, NotFound
from action_energy.known_models import KnownModels
from action_energy.model import ModelInfo, model_info
from action_energy.options import ChoiceOptions, Pool, ScoreOptions
from action_energy.plans import Deadline, Plan, Retries, retried
from action_energy.requests import (
    RULES,
    SCORES,
    CandidatesInput,
    Part,
    ScoreRequest,
    SelectRequest,
    candidates_input,
    context_input,
    joined,
    nested,
    pool_message,
    refinement_message,
    score_options,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("action_energy")

_ENERGY = "/action_energy.v1.EnergyService/"
_SELECTION = "/action_energy.v1.SelectionService/"
SCORE_ACTIONS = _ENERGY + "ScoreActions"
SCORE_STREAM = _ENERGY + "ScoreActionsStream"
HEALTH = "/grpc.health.v1.Health/Check"
HEALTH_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")

_COMPLAIN_EVERY = 10.0


class Operations:
    """Plans of one client. `model`: default name, empty for the server's; `deadline`: default seconds of a call; `affinity`:
    the robot's key."""

    def __init__(
        self,
        model: str,
        deadline: Optional[float],
        unchecked: Collection[str],
        affinity: Optional[str] = None,
    ) -> None:
        check_unchecked(unchecked)
        if deadline is not None and not deadline > 0:
            raise InvalidInput(
                "not a time", field="deadline", found=str(deadline), wanted="seconds above 0, or None"
            )
        self.model_name = model
        self.deadline = deadline
        self.unchecked = tuple(unchecked)
        self.keys = AffinityKeys(affinity)
        self.retries = Retries()
        self.models_known = KnownModels(self.retries)
        self._sender = Sender(self.retries, self.models_known, self.unchecked)
        self._complaints: Dict[str, float] = {}

    # --- calls

    def until(self, deadline: Optional[float]) -> Deadline:
        return Deadline(self.deadline if deadline is None else deadline)

    def name_of(self, model: Optional[str]) -> str:
        return self.model_name if model is None else model

    def model(self, model: Optional[str], deadline: Optional[float]) -> Plan[ModelInfo]:
        return (yield from self.models_known.fresh(self.name_of(model), self.until(deadline)))

    def models(self, deadline: Optional[float]) -> Plan[List[ModelInfo]]:
        answer = yield from retried(self.retries, _ENERGY + "ListModels", b"", self.until(deadline))
        return [model_info(message) for message in energy_pb2.ListModelsResponse.FromString(answer).models]

    def health(self, model: Optional[str], deadline: Optional[float]) -> Plan[str]:
        service = "" if model is None else f"action_energy.v1.EnergyService/{model}"
        payload = joined(nested(1, [service.encode()])) if service else b""
        answer = yield from retried(self.retries, HEALTH, payload, self.until(deadline))
        return HEALTH_STATUSES[answer[1]] if len(answer) == 2 and answer[1] < 4 else "UNKNOWN"

    def rank(
        self,
        hidden: ContextLike,
        candidates: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
        **options: Unpack[ScoreOptions],
    ) -> Plan[results.Ranking]:
        until = self.until(deadline)
        name = hidden.model if isinstance(hidden, ContextHandle) else self.name_of(model)
        info = yield from self.models_known.known(name, until)
        request = self.score_request(candidates, info, options)
        answer = yield from self._sender.in_context(
            SCORE_ACTIONS,
            request,
            hidden,
            mask,
            info,
            name,
            energy_pb2.ScoreActionsResponse.FromString,
            until,
            hidden.affinity if isinstance(hidden, ContextHandle) else self.keys.own,
        )
        return results.ranking(answer)

    def score_request(self, candidates: ArrayLike, info: ModelInfo, options: ScoreOptions) -> ScoreRequest:
        given = candidates_input(candidates, info, self.unchecked)
        self._watch_units(given, info)
        return ScoreRequest(given, score_options(given.wire.shape[0], **options))

    def select(
        self,
        hidden: ContextLike,
        candidates: ArrayLike,
        *,
        rule: str = "auto",
        **options: Unpack[ChoiceOptions],
    ) -> Plan[results.Selection]:
        """Errors: `InvalidInput` for what no data can make right: no chunks, no such candidate, rule or score."""
        check_choice(rule, tuple(RULES), "rule")
        return (yield from self._choose(hidden, candidates_input(candidates, None), rule, None, **options))

    def refine(
        self,
        hidden: ContextLike,
        candidates: ArrayLike,
        *,
        steps: Optional[int] = None,
        step_length: Optional[float] = None,
        trust_radius: Optional[float] = None,
        dims: Optional[Sequence[int]] = None,
        **options: Unpack[ChoiceOptions],
    ) -> Plan[results.Selection]:
        """Errors: as `select`, and for steps, lengths and dims that are none."""
        given = candidates_input(candidates, None)
        refinement = refinement_message(
            given.wire.shape[-1], steps=steps, step_length=step_length, trust_radius=trust_radius, dims=dims
        )
        return (yield from self._choose(hidden, given, "refine", refinement, **options))

    def _choose(
        self,
        hidden: ContextLike,
        given: CandidatesInput,
        rule: str,
        refinement: Optional[selection_pb2.Refinement],
        *,
        mask: Optional[ArrayLike] = None,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
        baseline: int = 0,
        score: Optional[str] = None,
        ungated: bool = False,
        episode_step: Optional[float] = None,
        episode: Optional[int] = None,
        task: Optional[int] = None,
    ) -> Plan[results.Selection]:
        check_index(baseline, given.wire.shape[0], "baseline")
        if score is not None:
            check_choice(score, tuple(SCORES), "score")
        try:
            until = self.until(deadline)
            name = hidden.model if isinstance(hidden, ContextHandle) else self.name_of(model)
            affinity = hidden.affinity if isinstance(hidden, ContextHandle) else self.keys.new()
            info = yield from self.models_known.known(name, until)
            candidates_input(given.values, info, self.unchecked)
            self._watch_units(given, info)
            request = SelectRequest(
                candidates=given,
                baseline=baseline,
                rule=RULES[rule],
                score=None if score is None else SCORES[score],
                ungated=ungated,
                timeout_ms=0,
                episode_step=episode_step,
                episode=episode,
                task=task,
                refinement=refinement,
            )
            answer = yield from self._sender.in_context(
                _SELECTION + "SelectAction",
                request,
                hidden,
                mask,
                info,
                name,
                selection_pb2.SelectActionResponse.FromString,
                until,
                affinity,
            )
            return results.selection(answer, given.values, affinity)
        except EnergyError as error:
            return self._baseline(given, baseline, rule, error)
        except Exception as cause:  # a fault of ours must not stop a robot either
            fault = InternalError(f"unexpected {type(cause).__name__}: {cause}")
            fault.__cause__ = cause
            return self._baseline(given, baseline, rule, fault)

    def matrix(
        self,
        contexts: Sequence[ContextLike],
        chunks: ArrayLike,
        *,
        masks: Optional[Sequence[Optional[ArrayLike]]] = None,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
        tau: Optional[float] = None,
        pool: Pool = None,
        score: str = "readout",
    ) -> Plan[results.Matrix]:
        until = self.until(deadline)
        check_choice(score, tuple(SCORES), "score")
        name = self.name_of(model)
        info = yield from self.models_known.known(name, until)
        if len(contexts) == 0 or (masks is not None and len(masks) != len(contexts)):
            raise InvalidInput(
                "one a context",
                field="masks" if len(contexts) else "contexts",
                found=f"{len(contexts)} contexts, {len(masks or ())} masks",
                wanted="at least one context, and a mask or None for each",
            )
        parts: List[Part] = []
        for i, hidden in enumerate(contexts):
            if isinstance(hidden, ContextHandle):
                given = hidden.input
            else:
                mask = None if masks is None else masks[i]
                given = context_input(hidden, mask, info, self.unchecked, f"contexts[{i}]", f"masks[{i}]")
            parts += nested(2, nested(1, given.parts))
        message = energy_pb2.EnergyMatrixRequest(
            model=name,
            actions=candidates_input(chunks, info, self.unchecked, "chunks").wire.message(),
            pool=pool_message(pool),
            tau=tau,
            score=SCORES[score],
        )
        parts.append(message.SerializeToString())
        answer = yield from retried(self.retries, _ENERGY + "EnergyMatrix", joined(parts), until)
        response = energy_pb2.EnergyMatrixResponse.FromString(answer)
        square = response.metrics if response.HasField("metrics") else None
        return results.Matrix(
            energies=results.tensor_values(response.energies).astype(np.float64),
            infonce_loss=None if square is None else square.infonce_loss,
            accuracy=None if square is None else square.accuracy,
            model=results.answered_by(response.model),
        )

    def report_outcome(
        self,
        decision: Union[str, results.Selection],
        *,
        success: Optional[bool] = None,
        cost: Optional[float] = None,
        executed: Optional[int] = None,
        baseline_cost: Optional[float] = None,
        whole_episode: bool = False,
        deadline: Optional[float] = None,
    ) -> Plan[results.OutcomeReport]:
        request_id = decision if isinstance(decision, str) else decision.request_id
        if not request_id:
            raise InvalidInput(
                "the server made no such decision",
                field="decision",
                found="a baseline that this client fell back to",
                wanted="a Selection with a request_id",
                mend="Report nothing for it",
            )
        if (success is None) == (cost is None):
            raise InvalidInput(
                "one of them", field="success", found=f"{success}, cost {cost}", wanted="success or cost"
            )
        message = selection_pb2.ReportOutcomeRequest(
            request_id=request_id,
            executed_index=executed,
            success=success,
            cost=cost,
            baseline_cost=baseline_cost,
            whole_episode=whole_episode,
        )
        answer = yield from retried(
            self.retries,
            _SELECTION + "ReportOutcome",
            message.SerializeToString(),
            self.until(deadline),
            resend=False,  # a second report of the same outcome is an error
            affinity=self.keys.own if isinstance(decision, str) else decision.affinity,
        )
        return results.outcome_report(selection_pb2.ReportOutcomeResponse.FromString(answer))

    # --- contexts

    def open_context(
        self,
        hidden: ArrayLike,
        *,
        mask: Optional[ArrayLike] = None,
        lease: float = 0.0,
        model: Optional[str] = None,
        deadline: Optional[float] = None,
    ) -> Plan[ContextHandle]:
        """Checks it; it is sent with its first use."""
        name = self.name_of(model)
        info = yield from self.models_known.known(name, self.until(deadline))
        given = context_input(hidden, mask, info, self.unchecked)
        return ContextHandle(given, name, round(lease * 1000), self.keys.new())

    def drop_context(self, handle: ContextHandle, deadline: Optional[float]) -> Plan[None]:
        """One that is gone already is no error."""
        context_id, handle.id = handle.id, None
        if context_id is None:
            return
        message = energy_pb2.DropContextRequest(model=handle.model, context_id=context_id)
        try:
            yield from retried(
                self.retries,
                _ENERGY + "DropContext",
                message.SerializeToString(),
                self.until(deadline),
                affinity=handle.affinity,
            )
        except NotFound:
            pass

    def _watch_units(self, given: CandidatesInput, info: ModelInfo) -> None:
        if "actions" not in self.unchecked:
            self.models_known.watch_units(given.values, info)

    # --- the baseline

    def _baseline(
        self, given: CandidatesInput, baseline: int, rule: str, error: EnergyError
    ) -> results.Selection:
        now = time.monotonic()
        if now - self._complaints.get(error.kind, -_COMPLAIN_EVERY) >= _COMPLAIN_EVERY:
            self._complaints[error.kind] = now
            log.warning("select returns the baseline (%s): %s", error.kind, error)
        chunk: npt.NDArray[Any] = given.values[baseline]
        return results.Selection(
            chunk=chunk,
            index=baseline,
            origin="baseline",
            fallback=error.kind,
            reason=str(error),
            rule=rule,
            error=error,
        )
