"""A small chunk policy that samples: flow matching (Lipman et al., 2023) from noise to [H, A], as pi0's action expert does.

One network for all tasks. A trunk reads the observation; its last hidden layer, [D], conditions the flow and is what the energy
model gets as context, so both see the same state through the same features.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

import numpy as np
import torch
from action_energy.integrations.choosing import Proposal
from torch import Tensor, nn

from simulator import ACTION, OBSERVATION

H = 8
D = 128
_WIDTH = 256
_EULER_STEPS = 8


class FlowPolicy(nn.Module):
    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.register_buffer("mean", torch.zeros(OBSERVATION))
        self.register_buffer("scale", torch.ones(OBSERVATION))
        self.trunk = nn.Sequential(
            nn.Linear(OBSERVATION + tasks, _WIDTH), nn.SiLU(),
            nn.Linear(_WIDTH, _WIDTH), nn.SiLU(),
            nn.Linear(_WIDTH, D), nn.SiLU(),
        )  # fmt: skip
        self.flow = nn.Sequential(
            nn.Linear(D + H * ACTION + 1, _WIDTH), nn.SiLU(),
            nn.Linear(_WIDTH, _WIDTH), nn.SiLU(),
            nn.Linear(_WIDTH, H * ACTION),
        )  # fmt: skip

    def hidden(self, observations: Tensor, task: Tensor) -> Tensor:
        """[B, D] of observations [B, 39] and tasks [B]."""
        one_hot = nn.functional.one_hot(task, self.tasks).float()
        return self.trunk(torch.cat([(observations - self.mean) / self.scale, one_hot], dim=1))

    def velocity(self, hidden: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """d x / d t [B, H*A] at x [B, H*A], t [B, 1]: from noise at 0 to a chunk at 1."""
        return self.flow(torch.cat([hidden, x, t], dim=1))

    def sample(self, hidden: Tensor, noise: Tensor) -> Tensor:
        """Chunks [B, H, A] in [-1, 1] of hidden [B, D] and noise [B, H*A]."""
        x = noise
        for step in range(_EULER_STEPS):
            t = torch.full((len(x), 1), step / _EULER_STEPS)
            x = x + self.velocity(hidden, x, t) / _EULER_STEPS
        return x.clamp(-1, 1).reshape(-1, H, ACTION)


class TaskPolicy:
    """The policy on one task, as `action_energy.branch` and the trial want it; its first sample is its own choice."""

    def __init__(self, policy: FlowPolicy, task: int) -> None:
        self._policy, self._task = policy.eval(), torch.tensor([task])

    @torch.inference_mode()
    def propose(self, observation: np.ndarray, count: int, rng: np.random.Generator) -> Proposal:
        noise = torch.from_numpy(rng.standard_normal((count, H * ACTION), np.float32))
        hidden = self._policy.hidden(torch.from_numpy(observation[None]), self._task)
        chunks = self._policy.sample(hidden.expand(count, D), noise)
        return Proposal(hidden[0].numpy(), chunks.numpy())


def train_policy(
    observations: np.ndarray,
    tasks: np.ndarray,
    chunks: np.ndarray,
    updates: int,
    seed: int,
    on_update: Optional[Callable[[int, float], Any]] = None,
) -> FlowPolicy:
    """Of observations [M, 39], tasks [M] and the experts' chunks [M, H, A]; Adam, cosine schedule, weights averaged at the end."""
    torch.manual_seed(seed)
    policy = FlowPolicy(int(tasks.max()) + 1)
    policy.mean.copy_(torch.from_numpy(observations.mean(axis=0)))
    policy.scale.copy_(torch.from_numpy(observations.std(axis=0)).clamp_min(1e-2))
    data = (torch.from_numpy(observations), torch.from_numpy(tasks), torch.from_numpy(chunks).flatten(1))
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3, weight_decay=1e-4)
    averaged = torch.optim.swa_utils.AveragedModel(
        policy, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    for update in range(updates):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * update / updates))
        loss = _flow_loss(policy, data, batch=256)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged.update_parameters(policy)
        if on_update is not None and (update + 1) % 500 == 0:
            on_update(update + 1, loss.item())
    trained: FlowPolicy = averaged.module
    return trained


def _flow_loss(policy: FlowPolicy, data: Tuple[Tensor, Tensor, Tensor], batch: int) -> Tensor:
    """Mean square error of the velocity on the straight line from noise to chunk."""
    rows = torch.randint(len(data[0]), (batch,))
    observations, tasks, chunks = (each[rows] for each in data)
    noise, t = torch.randn_like(chunks), torch.rand(batch, 1)
    hidden = policy.hidden(observations, tasks)
    found = policy.velocity(hidden, (1 - t) * noise + t * chunks, t)
    return nn.functional.mse_loss(found, chunks - noise)


def save_policy(policy: FlowPolicy, path: Path) -> None:
    torch.save(policy.state_dict(), path)


def load_policy(path: Path) -> FlowPolicy:
    state = torch.load(path, weights_only=True)
    policy = FlowPolicy(state["trunk.0.weight"].shape[1] - OBSERVATION)
    policy.load_state_dict(state)
    return policy
