"""Against the real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

from action_energy import (
    AsyncEnergyClient,
    BFloat16,
    EnergyClient,
    InvalidInput,
    NotFound,
)
from action_energy.testing import ServerProcess, start_server

Example = Dict[str, Any]


def test_health_and_models(energy_client: EnergyClient) -> None:
    assert energy_client.health() == "SERVING"
    assert energy_client.health("tiny-reach") == "SERVING"
    with pytest.raises(NotFound):
        energy_client.health("nobody")
    model = energy_client.model()
    assert (model.name, model.state_dim, model.action_dim, model.chunk) == ("tiny-reach", 64, 7, 8)
    assert model.gripper is not None
    assert (model.gripper.index, model.units) == (6, "normalized_q99")
    assert [other.name for other in energy_client.models()] == ["tiny-reach"]
    with pytest.raises(NotFound) as caught:
        energy_client.model("nobody")
    assert caught.value.resource == "model"
    assert energy_client.wait_until_ready(5).digest == model.digest


def test_every_way_to_say_the_same_gives_the_same_energies(
    energy_client: EnergyClient, example: Example
) -> None:
    torch = pytest.importorskip("torch")
    hidden, mask, chunks = example["hidden"][0], example["pad_mask"][0], example["candidates"][0]
    words = hidden.view(np.int16)
    expected = energy_client.rank(hidden, chunks, mask=mask)
    assert expected.p_values is not None
    assert expected.best == expected.ranking[0] == expected.energies.argmin()
    assert expected.probabilities.sum() == pytest.approx(1)
    as_torch = torch.from_numpy(words.copy()).view(torch.bfloat16)
    for given in (
        as_torch,
        as_torch[None],
        BFloat16(words),
        BFloat16(words.astype(">i2")),
        np.asfortranarray(hidden),
    ):
        again = energy_client.rank(given, chunks, mask=mask[None])
        np.testing.assert_array_equal(again.energies, expected.energies)
    for other in (
        torch.from_numpy(chunks),
        chunks.astype(np.float64),
        np.asfortranarray(chunks),
        chunks.astype(">f4"),
        list(chunks),
    ):
        np.testing.assert_array_equal(
            energy_client.rank(hidden, other, mask=mask).energies, expected.energies
        )
    wide = energy_client.rank(hidden.astype(np.float32), chunks, mask=mask)
    np.testing.assert_allclose(wide.energies, expected.energies, atol=1e-6)
    with energy_client.context(hidden, mask=mask) as context:
        np.testing.assert_allclose(context.rank(chunks).energies, expected.energies, atol=1e-6)
        np.testing.assert_allclose(context.rank(chunks).energies, expected.energies, atol=1e-6)


def test_options_of_rank(energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][1], example["pad_mask"][1], example["candidates"][1]
    ranking = energy_client.rank(
        hidden, chunks, mask=mask, baseline=5, top_k=3, per_step=True, logits=True, raw=True, score="logit"
    )
    assert ranking.ranking.shape == (3,)
    assert ranking.step_energies is not None
    assert ranking.logits is not None
    assert ranking.step_energies.shape == (16, 8)
    np.testing.assert_allclose(ranking.step_energies.mean(axis=1), ranking.logits, atol=1e-5)
    assert ranking.p_values is None
    assert ranking.baseline is not None
    assert ranking.baseline.energy == ranking.energies[5]
    weights = [1.0, *[0.0] * 7]
    first = energy_client.rank(hidden, chunks, mask=mask, pool="first")
    np.testing.assert_allclose(
        energy_client.rank(hidden, chunks, mask=mask, pool=weights).energies, first.energies
    )
    sharp = energy_client.rank(hidden, chunks, mask=mask, tau=1e-3)
    assert sharp.tau == 1e-3
    assert sharp.probabilities.max() > 0.9


def test_gradients_of_energies_by_their_chunks(energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][1], example["pad_mask"][1], example["candidates"][1]
    ranking = energy_client.rank(hidden, chunks, mask=mask, action_gradients=True, raw=True)
    plain = energy_client.rank(hidden, chunks, mask=mask, raw=True)
    assert plain.action_gradients is None
    np.testing.assert_array_equal(ranking.energies, plain.energies)
    slope = ranking.action_gradients
    assert slope is not None
    assert slope.shape == chunks.shape
    # a small step against the gradient lowers the energy of every chunk, by about what the gradient says (it bends at a ReLU)
    norm = np.sqrt((slope**2).sum(axis=(1, 2), keepdims=True))
    step = 1e-3
    moved = energy_client.rank(hidden, chunks - step * slope / norm, mask=mask, raw=True)
    fall = (plain.energies - moved.energies) / (step * norm[:, 0, 0])
    assert (fall > 0.5).all()
    np.testing.assert_allclose(np.median(fall), 1, atol=0.05)


def test_the_matrix(energy_client: EnergyClient, example: Example) -> None:
    contexts, masks, experts = list(example["hidden"]), list(example["pad_mask"]), example["actions"]
    matrix = energy_client.matrix(contexts, experts, masks=masks, tau=2.0)
    assert matrix.energies.shape == (4, 4)
    own = np.diag(matrix.energies)
    assert (
        matrix.energies.argmin(axis=1) == range(4)
    ).all()  # the bundled model tells the four moments apart
    assert matrix.accuracy == 1
    losses = np.log(np.exp((own[:, None] - matrix.energies) / 2).sum(axis=1))
    assert matrix.infonce_loss == pytest.approx(losses.mean(), rel=1e-4)
    with energy_client.context(contexts[0], mask=masks[0]) as kept:
        mixed = energy_client.matrix([kept, contexts[1]], experts[:3], masks=[None, masks[1]])
    np.testing.assert_allclose(mixed.energies, matrix.energies[:2, :3], atol=1e-5)
    assert mixed.accuracy is None
    with pytest.raises(InvalidInput) as caught:
        energy_client.matrix(contexts, experts, masks=masks[:2])
    assert caught.value.field == "masks"
    with pytest.raises(InvalidInput, match=r"contexts\[1\]"):
        energy_client.matrix([contexts[0], contexts[1][:, :10]], experts)


def test_refine_lowers_the_energy_and_leaves_the_gripper(
    energy_client: EnergyClient, example: Example
) -> None:
    hidden, mask, chunks = example["hidden"][1], example["pad_mask"][1], example["candidates"][1]
    best = energy_client.select(hidden, chunks, mask=mask, rule="energy", ungated=True)
    chosen = energy_client.refine(hidden, chunks, mask=mask, ungated=True, steps=4, trust_radius=0.1)
    assert (chosen.origin, chosen.rule, chosen.index) == ("refined", "refine", best.index), chosen.reason
    found = chosen.refinement
    assert found is not None
    assert found.energy < found.start_energy == best.energies.min()  # type: ignore[union-attr]
    assert 0 < found.displacement <= 0.1 + 1e-6
    assert energy_client.rank(hidden, chosen.chunk, mask=mask, raw=True).energies[0] == pytest.approx(
        found.energy, rel=1e-5
    )
    np.testing.assert_array_equal(chosen.chunk[:, 6], chunks[best.index][:, 6])
    with energy_client.context(hidden, mask=mask) as context:
        one = context.refine(chunks, ungated=True, dims=[0])
    assert one.origin == "refined"
    np.testing.assert_array_equal(one.chunk[:, 1:], chunks[best.index][:, 1:])
    # what only the model's card knows comes back as the baseline
    gripper = energy_client.refine(hidden, chunks, mask=mask, ungated=True, baseline=3, dims=[6])
    assert (gripper.is_baseline, gripper.index) == (True, 3)
    assert gripper.error is not None
    assert gripper.error.field == "refinement.dims[0]"


RULES = ["energy", "energy_mean", "consensus", "consensus_mean", "consensus_of_best"]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_chooses(energy_client: EnergyClient, example: Example, rule: str) -> None:
    hidden, mask, chunks = (
        example["hidden"][1],
        example["pad_mask"][1],
        example["candidates"][1].astype(np.float64),
    )
    chosen = energy_client.select(hidden, chunks, mask=mask, rule=rule, ungated=True, baseline=2)
    assert chosen.error is None
    assert (chosen.fallback, chosen.rule) == ("none", rule)
    assert chosen.request_id
    assert chosen.weights is not None
    assert chosen.weights.sum() == pytest.approx(1)
    if chosen.origin == "candidate":
        np.testing.assert_array_equal(chosen.chunk, chunks[chosen.index])
        assert chosen.chunk.dtype == np.float64
    else:
        continuous = np.tensordot(chosen.weights, chunks, axes=1)[..., :6]
        np.testing.assert_allclose(chosen.chunk[..., :6], continuous, atol=1e-5)
        assert set(np.unique(chosen.chunk[..., 6])) <= {0.0, 1.0}  # the gripper is voted for
    if rule == "energy":
        assert chosen.index == energy_client.rank(hidden, chunks, mask=mask).best


def test_outcomes_reach_the_server(energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][1], example["pad_mask"][1], example["candidates"][1]
    episode = 12345
    for step in range(2):
        chosen = energy_client.select(
            hidden, chunks, mask=mask, rule="energy", ungated=True, episode=episode, task=1, episode_step=step
        )
    report = energy_client.report_outcome(chosen, success=True, whole_episode=True)
    assert report.decisions == 2
    with pytest.raises(NotFound):
        energy_client.report_outcome(chosen, success=True)
    with pytest.raises(NotFound):
        energy_client.report_outcome("nobody's", cost=0.5)


def test_what_the_server_refuses_comes_back_typed(energy_client: EnergyClient, example: Example) -> None:
    with pytest.raises(InvalidInput) as caught:
        energy_client.rank(
            example["hidden"][0], example["candidates"][0], mask=example["pad_mask"][0], tau=-1
        )
    error = caught.value
    assert error.field is not None
    assert "tau" in error.field
    assert error.found == "-1"
    assert error.wanted
    assert error.request_id


def test_checks_can_be_left_to_the_server(energy_server: ServerProcess, example: Example) -> None:
    with EnergyClient(energy_server.address, unchecked=("mask", "hidden", "actions"), deadline=30) as client:
        with pytest.raises(InvalidInput) as caught:
            client.rank(example["hidden"][0], 100 * example["candidates"][0], mask=example["pad_mask"][0])
        assert caught.value.request_id  # the server's own word
    with pytest.raises(InvalidInput):
        EnergyClient(energy_server.address, unchecked=("everything",))


def test_asyncio(energy_server: ServerProcess, energy_client: EnergyClient, example: Example) -> None:
    hidden, mask, chunks = example["hidden"][2], example["pad_mask"][2], example["candidates"][2]
    expected = energy_client.rank(hidden, chunks, mask=mask)

    async def talk() -> None:
        async with AsyncEnergyClient(energy_server.address, deadline=30) as client:
            assert await client.health() == "SERVING"
            assert (await client.model()).name == "tiny-reach"
            assert len(await client.models()) == 1
            many = await asyncio.gather(*[client.rank(hidden, chunks, mask=mask) for _ in range(8)])
            for ranking in many:
                np.testing.assert_allclose(ranking.energies, expected.energies, atol=1e-5)
            async with await client.context(hidden, mask=mask) as context:
                assert (await context.rank(chunks)).best == expected.best
                assert context.id is not None
                assert (await context.rank(chunks)).best == expected.best
            assert context.id is None
            selection = await client.select(hidden, chunks, mask=mask, rule="energy", ungated=True)
            assert selection.chunk.shape == (8, 7)
            refined = await client.refine(hidden, chunks, mask=mask, ungated=True)
            assert refined.origin == "refined"
            matrix = await client.matrix([hidden], chunks, masks=[mask])
            np.testing.assert_allclose(matrix.energies[0], expected.energies, atol=1e-5)
            with pytest.raises(InvalidInput):
                await client.rank(hidden, chunks[:, :3], mask=mask)
            async with client.stream() as stream:
                first = await stream.submit(hidden, chunks, mask=mask, supersede=False)
                answer = await stream.latest(wait=30, newer_than=first - 1)
                assert answer is not None
                assert answer.ranking is not None
                assert answer.ranking.best == expected.best

    asyncio.run(talk())


def test_several_threads_share_a_client(energy_client: EnergyClient, example: Example) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def one(i: int) -> int:
        return energy_client.rank(
            example["hidden"][i], example["candidates"][i], mask=example["pad_mask"][i]
        ).best

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, [0, 1, 2, 3] * 8))
    assert found == found[:4] * 8


def test_a_unix_socket(bundles: Path, tmp_path: Path, example: Example) -> None:
    with start_server(str(bundles), flags=["--socket", f"{tmp_path}/s"]) as server:
        address = f"unix:{tmp_path}/s"
        with EnergyClient(address, deadline=30) as client:
            assert client.health() == "SERVING"
        assert server.log
