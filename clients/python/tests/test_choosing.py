"""What all wrappers do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sampled_policy import HIDDEN, A, H

from action_energy import EnergyClient
from action_energy.integrations.choosing import Chooser, Proposal
from action_energy.record import Recorder
from action_energy.testing import FakeServer


@pytest.mark.parametrize(("rule", "candidate"), [("energy", True), ("energy_mean", False), ("refine", False)])
def test_what_is_executed_is_what_was_chosen(client: EnergyClient, rule: str, candidate: bool) -> None:
    """A chunk that the server made stands for none of the candidates."""
    chunks = np.random.default_rng(0).uniform(-1, 1, (4, H, A)).astype(np.float32)
    choice = Chooser(client, rule=rule).choose(lambda: Proposal(HIDDEN, chunks))
    selection = choice.selection
    assert selection is not None
    assert (choice.index is None, choice.made is None) == (not candidate, candidate)
    if not candidate:
        assert not choice.keeps_own
        np.testing.assert_array_equal(choice.made, selection.chunk)  # type: ignore[arg-type]


def test_decisions_are_recorded(client: EnergyClient, fake: FakeServer, tmp_path: Any) -> None:
    chunks = np.random.default_rng(0).uniform(-1, 1, (4, H, A)).astype(np.float32)
    with Recorder(str(tmp_path)) as recorder:
        chooser = Chooser(client, rule="energy", recorder=recorder)
        for _ in range(3):
            chooser.choose(lambda: Proposal(HIDDEN, chunks))
        chooser.reset(success=True)
        chooser.choose(lambda: Proposal(HIDDEN, chunks))
        chooser.reset()  # nobody knows how that one ended
        recorder.flush()
        assert recorder.error is None
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    asked = [message for method, message in fake.requests if method == "SelectAction"]
    assert [message.episode_step for message in asked] == [0, 1, 2, 0]
    assert len({message.episode_id for message in asked}) == 2
