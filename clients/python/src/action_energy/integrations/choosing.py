"""What all wrappers do: propose, select, and fall back to the policy's own chunk on any trouble."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional

import numpy as np
import numpy.typing as npt

from action_energy.arrays import ArrayLike
from action_energy.client import EnergyClient
from action_energy.errors import EnergyError, InternalError
from action_energy.record import Recorder
from action_energy.results import Selection

log = logging.getLogger("action_energy.integrations")

_COMPLAIN_EVERY = 10.0


@dataclass(frozen=True)
class Proposal:
    """What a policy sampled in one state. Arrays of any library, see `EnergyClient.rank`."""

    hidden: ArrayLike
    """[S, D] the policy's last hidden layer."""
    candidates: ArrayLike
    """[N, H, A] in the units of the energy model's card; number `baseline` is the policy's own."""
    mask: Optional[ArrayLike] = None
    """[S], True = ignore."""
    baseline: int = 0


@dataclass(frozen=True)
class Choice:
    """`selection` is None when there was no proposal to select from; the policy's own chunk is executed then."""

    selection: Optional[Selection]
    baseline: int = 0
    """The policy's own candidate."""
    info: Dict[str, Any] = field(default_factory=dict)
    """For the reply's side channel: numbers, strings and float64 arrays only."""

    @property
    def keeps_own(self) -> bool:
        """Whether the policy's own chunk is executed."""
        return self.selection is None or (self.made is None and self.selection.index == self.baseline)

    @property
    def index(self) -> Optional[int]:
        """The candidate to execute; None: a chunk that is none of them, or there were no candidates."""
        return self.selection.index if self.selection is not None and self.selection.is_candidate else None

    @property
    def made(self) -> Optional[npt.NDArray[np.float32]]:
        """[H, A] in the model's units, when the chunk to execute is no candidate: an average, or a refined one."""
        return None if self.selection is None or self.selection.is_candidate else self.selection.chunk


class Chooser:
    """`rule`, `ungated`, `score`, `deadline`: those of `EnergyClient.select`. `recorder`: every decision goes there, too."""

    def __init__(
        self,
        client: EnergyClient,
        *,
        rule: str = "auto",
        ungated: bool = False,
        score: Optional[str] = None,
        deadline: Optional[float] = None,
        recorder: Optional[Recorder] = None,
    ) -> None:
        self.client = client
        self.recorder = recorder
        self._options: Dict[str, Any] = {
            "rule": rule,
            "ungated": ungated,
            "score": score,
            "deadline": deadline,
        }
        self._episode: Optional[int] = None
        self._step = 0
        self._complained = -_COMPLAIN_EVERY

    def reset(self, success: Optional[float] = None) -> None:
        """A new episode. `success`: how the last one ended, for the recorder; without it the last one is not recorded."""
        if self.recorder is not None and self._episode is not None:
            if success is None:
                self.recorder.discard_episode(self._episode)
            else:
                self.recorder.end_episode(self._episode, success)
        self._episode, self._step = None, 0

    def choose(self, propose: Callable[[], Proposal]) -> Choice:
        """Never raises: whatever `propose` or the server do, the robot gets the policy's own chunk at least."""
        start = time.perf_counter()
        selection: Optional[Selection] = None
        baseline = 0
        try:
            proposal = propose()
            baseline = proposal.baseline
            proposed = time.perf_counter()
            if self._episode is None:
                self._episode = Recorder.new_episode()
            selection = self.client.select(
                proposal.hidden,
                proposal.candidates,
                mask=proposal.mask,
                baseline=proposal.baseline,
                episode=self._episode,
                episode_step=self._step,
                **self._options,
            )
            info = _info_of(selection)
            info["select_ms"] = 1e3 * (time.perf_counter() - proposed)
            info["propose_ms"] = 1e3 * (proposed - start)
            self._record(proposal, selection)
            self._step += 1
        except Exception as error:
            if selection is None:
                info = self._failed(error)
            else:
                log.error("the decision is not recorded: %s", error)
        return Choice(selection, baseline, info)

    def _record(self, proposal: Proposal, selection: Selection) -> None:
        if self.recorder is None or self._episode is None:
            return
        self.recorder.row(
            proposal.hidden,
            selection.chunk,
            mask=proposal.mask,
            candidates=proposal.candidates,
            baseline=proposal.baseline,
            episode=self._episode,
            step=self._step,
        )

    def _failed(self, error: Exception) -> Dict[str, Any]:
        known = error if isinstance(error, EnergyError) else InternalError(f"{type(error).__name__}: {error}")
        now = time.monotonic()
        if now - self._complained >= _COMPLAIN_EVERY:
            self._complained = now
            log.warning("no proposal, so the policy's own chunk: %s", known, exc_info=error)
        return {"origin": "baseline", "fallback": "proposal", "reason": str(known)}


def _info_of(selection: Selection) -> Dict[str, Any]:
    info: Dict[str, Any] = {
        "index": selection.index,
        "origin": selection.origin,
        "fallback": selection.fallback,
        "rule": selection.rule,
        "reason": selection.reason,
        "request_id": selection.request_id,
    }
    for name, value in (("energies", selection.energies), ("weights", selection.weights)):
        if value is not None:
            info[name] = value
    if selection.consensus is not None:
        info["consensus"] = selection.consensus
    if selection.timings is not None:
        info["server_ms"] = selection.timings.total_ms
    return info
