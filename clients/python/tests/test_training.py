"""Training through a real server: losses come back, what is wrong is refused by its field, what is saved is served."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import pytest

from action_energy import AsyncEnergyClient, EnergyClient, InvalidInput, NotReady, Overloaded, Unavailable
from action_energy.testing import start_server
from action_energy.training import Training

B = 4
PATIENCE = 30.0
FLAGS = ["--provider", "cpu", "--threads", "1"]


def batch(example: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "hidden": example["hidden"],
        "pad_mask": example["pad_mask"],
        "actions": example["candidates"][:, 0],
        "candidates": example["candidates"],
        "candidate_cost": np.arange(B * example["candidates"].shape[1]).reshape(B, -1) % 5,
        "episode_id": np.arange(B),
    }


def once_free(client: EnergyClient, recipe: Dict[str, Any]) -> Training:
    """A session, when the server has noticed that the last one has ended."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return client.train(**recipe)
        except Overloaded:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_training_goes_on_from_a_served_model_and_saves(bundles: Path, example: Dict[str, Any]) -> None:
    server = start_server(str(bundles), flags=[*FLAGS, "--training"])
    try:
        with server.client(deadline=30.0) as client:
            recipe: Dict[str, Any] = dict(
                losses={"swap": 1.0, "rank": 0.5}, learning_rate=1e-3, dropout=0.0, seed=3
            )
            with client.train(**recipe) as training:
                assert training.parameters > 1000
                first = training.step(batch(example))
                assert first.step == 1
                assert first.updates == 1
                assert first.learning_rate == 1e-3
                assert first.gradient_norm is not None
                assert first.gradient_norm > 0
                with pytest.raises(Overloaded):
                    client.train(**recipe)
                for _ in range(30):
                    last = training.step(batch(example))
                assert last.energy_loss < first.energy_loss

                broken = batch(example)
                broken["actions"] = np.full_like(broken["actions"], np.nan)
                with pytest.raises(InvalidInput, match="actions"):
                    training.step(broken)
                with pytest.raises(InvalidInput, match="hiden"):
                    training.step({**batch(example), "hiden": np.zeros(3)})
                assert training.step(batch(example)).step == last.step + 1

                with pytest.raises(NotReady, match="replace"):
                    training.save("tiny-reach")
                saved = training.save("trained")
                assert saved.name == "trained"
                assert len(saved.digest) == 64
            assert (bundles / "trained" / "weights.safetensors").exists()
            with pytest.raises(InvalidInput, match="losses"):
                client.train(losses={"sawp": 1.0})
            with pytest.raises(InvalidInput, match="recipe"):
                client.train(learning_rat=1.0)  # type: ignore[call-arg]
    finally:
        server.stop()


def test_the_asyncio_client_trains_alike(bundles: Path, example: Dict[str, Any]) -> None:
    """The same recipe and batches: the same losses, to the bit, and the same weights."""
    recipe: Dict[str, Any] = dict(losses={"swap": 1.0, "rank": 0.5}, learning_rate=1e-3, seed=3)

    async def trained(address: str) -> Tuple[List[float], str]:
        async with AsyncEnergyClient(address, deadline=30.0) as client:
            with pytest.raises(InvalidInput, match="losses"):
                await client.train(losses={"sawp": 1.0})
            async with await client.train(**recipe) as training:
                assert training.parameters > 1000
                with pytest.raises(Overloaded):
                    await client.train(**recipe)
                broken = {**batch(example), "actions": np.full((B, 8, 7), np.nan, np.float32)}
                with pytest.raises(InvalidInput, match="actions"):
                    await training.step(broken)
                losses = [(await training.step(batch(example))).energy_loss for _ in range(3)]
                saved = await training.save("asynchronous")
            with pytest.raises(Unavailable):
                await training.step(batch(example))
            return losses, saved.digest

    server = start_server(str(bundles), flags=[*FLAGS, "--training"])
    try:
        losses, digest = asyncio.run(trained(server.address))
        with server.client(deadline=30.0) as client, once_free(client, recipe) as training:
            assert [training.step(batch(example)).energy_loss for _ in range(3)] == losses
            assert training.save("synchronous").digest == digest
            training.close()
            with pytest.raises(Unavailable):
                training.step(batch(example))
    finally:
        server.stop()


def test_a_server_that_does_not_train_says_so(bundles: Path) -> None:
    server = start_server(str(bundles), flags=FLAGS)
    try:
        with server.client(deadline=30.0) as client, pytest.raises(NotReady, match="--training"):
            client.train()
    finally:
        server.stop()
