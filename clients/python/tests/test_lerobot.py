"""LeRobot's hook."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sampled_policy import HIDDEN, SCALE, A, H, Sampler, best_of

from action_energy import EnergyClient, Unavailable
from action_energy.integrations import lerobot
from action_energy.testing import FakeServer


class LeRobotServer(Sampler):
    """What matters of LeRobot's PolicyServer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = HIDDEN

    def _get_action_chunk(self, observation: Any) -> Any:
        import torch

        return torch.from_numpy(self.next() / SCALE)[None]

    def predict(self, observation: Any) -> Any:
        return self._get_action_chunk(observation) * SCALE  # the postprocessor


def test_lerobot(client: EnergyClient, fake: FakeServer) -> None:
    torch = pytest.importorskip("torch")
    server, choices = LeRobotServer(), []
    lerobot.choose_in(
        server,
        client,
        context=lambda s, obs, chunk: s.hidden,
        samples=6,
        rule="energy",
        on_choice=choices.append,
    )
    chosen = server.predict({})
    assert chosen.shape == (1, H, A)
    np.testing.assert_allclose(chosen[0].numpy(), best_of(6), rtol=1e-6)
    assert choices[-1].info["origin"] == "candidate"
    fake.fail_next(Unavailable("gone"), 50)
    server.calls = 0
    np.testing.assert_allclose(server.predict({})[0].numpy(), SCALE * 0.9, rtol=1e-6)
    fake._failures.clear()
    averaging = LeRobotServer()
    lerobot.choose_in(
        averaging, client, context=lambda s, obs, chunk: s.hidden, samples=3, rule="consensus_mean"
    )
    average = averaging.predict({})
    assert average.dtype == torch.float32
    np.testing.assert_allclose(average[0].numpy(), SCALE * 0.8, rtol=1e-6)
    with pytest.raises(ValueError, match="_get_action_chunk"):
        lerobot.choose_in(object(), client, context=lambda s, obs, chunk: HIDDEN)
