"""`select` and its friends on the fake: what the server's answers become, and what never reaches a loop."""

from __future__ import annotations

import asyncio
import logging

import numpy as np
import pytest

from action_energy import (
    AsyncEnergyClient,
    DeadlineExceeded,
    EnergyClient,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)
from action_energy.action_checks import UnitsWatch
from action_energy.testing import AsyncFakeServer, FakeServer
from action_energy.testing.fake import default_energy


@pytest.fixture
def hidden(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(24, 64)).astype(np.float32)


@pytest.fixture
def chunks(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(-1, 1, (6, 8, 7))


def test_energies_are_the_same_everywhere(
    client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray
) -> None:
    ranking = client.rank(hidden, chunks, baseline=1)
    np.testing.assert_allclose(ranking.energies, default_energy(hidden, chunks.astype(np.float32)))
    assert ranking.baseline is not None
    assert ranking.baseline.advantage == pytest.approx(ranking.energies[1] - ranking.energies.min())
    matrix = client.matrix([hidden, hidden[:4]], chunks)
    np.testing.assert_allclose(matrix.energies[0], ranking.energies, rtol=1e-6)


def test_a_candidate_comes_back_with_the_callers_numbers(
    client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray
) -> None:
    chosen = client.select(hidden, chunks, rule="energy", episode=3, task=1, episode_step=7)
    assert chosen.origin == "candidate"
    assert chosen.index == np.argmin(default_energy(hidden, chunks.astype(np.float32)))
    assert chosen.chunk.dtype == np.float64
    np.testing.assert_array_equal(chosen.chunk, chunks[chosen.index])
    assert chosen.request_id == "fake-1"
    assert not chosen.is_baseline
    assert chosen.raise_for_error() is chosen


@pytest.mark.parametrize("rule", ["energy_mean", "consensus_mean"])
def test_an_average(client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray, rule: str) -> None:
    chosen = client.select(hidden, chunks, rule=rule)
    assert chosen.origin == "average"
    assert chosen.weights is not None
    np.testing.assert_allclose(chosen.chunk, np.tensordot(chosen.weights, chunks, axes=1), atol=1e-6)


@pytest.mark.parametrize("rule", ["consensus", "consensus_of_best"])
def test_a_consensus(client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray, rule: str) -> None:
    chosen = client.select(hidden, chunks, rule=rule)
    assert chosen.origin == "candidate"
    assert chosen.rule == rule
    assert chosen.consensus is not None


@pytest.mark.parametrize("units", ["normalized_q99", "unspecified"])
def test_refine(hidden: np.ndarray, chunks: np.ndarray, units: str) -> None:
    with EnergyClient(transport=FakeServer(units=units), deadline=5.0) as client:
        best = client.select(hidden, chunks, rule="energy")
        chosen = client.refine(hidden, chunks, steps=2, step_length=0.1, trust_radius=0.15, dims=[0, 2])
    assert (chosen.origin, chosen.rule, chosen.index) == ("refined", "refine", best.index)
    found = chosen.refinement
    assert found is not None
    assert best.energies is not None
    assert found.energy < found.start_energy == best.energies.min()
    assert (found.steps, found.end) == (2, "steps")
    single = chosen.chunk.astype(np.float32)
    assert default_energy(hidden, single[None])[0] == pytest.approx(found.energy)
    moved = np.abs(single - chunks[best.index].astype(np.float32))
    assert (moved[:, [0, 2]] > 0).any()
    assert (moved[:, [1, 3, 4, 5, 6]] == 0).all()
    scale = 1.0 if units == "normalized_q99" else chunks.std(axis=(0, 1))
    assert (moved / scale).max() <= 0.15 + 1e-6
    assert found.displacement == pytest.approx((moved / scale).max(), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"steps": 17},
        {"steps": 2.5},
        {"step_length": float("nan")},
        {"step_length": -0.1},
        {"trust_radius": 0.0},
        {"trust_radius": float("inf")},
        {"dims": []},
        {"dims": [7]},
        {"dims": [-1]},
        {"dims": [1, 1]},
        {"baseline": 6},
    ],
)
def test_a_refinement_that_no_data_can_make_right_is_raised(
    client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray, options: dict
) -> None:
    with pytest.raises(InvalidInput):
        client.refine(hidden, chunks, **options)


@pytest.mark.parametrize(
    "error",
    [Unavailable("gone"), DeadlineExceeded("late"), Overloaded("full"), NotFound("x"), RuntimeError("a bug")],
)
def test_whatever_fails_the_baseline_comes_back(
    fake: FakeServer,
    client: EnergyClient,
    hidden: np.ndarray,
    chunks: np.ndarray,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.model()
    fake.fail_next(error, 50)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        kinds = set()
        for call in (client.select, client.select, client.refine):
            chosen = call(hidden, chunks, baseline=2, deadline=0.05)
            kinds.add(chosen.fallback)
            assert chosen.is_baseline
            np.testing.assert_array_equal(chosen.chunk, chunks[2])
            assert chosen.error is not None
            assert chosen.fallback == chosen.error.kind
            with pytest.raises(type(chosen.error)):
                chosen.raise_for_error()
    assert len(caplog.records) == len(kinds)  # once a reason, not once a tick
    fake._failures.clear()
    assert not client.select(hidden, chunks, baseline=2).is_baseline


@pytest.mark.parametrize(
    "options",
    [
        {"baseline": 6},
        {"rule": "best"},
        {"score": "probability"},
        {"candidates": np.zeros(7)},
        {"candidates": "text"},
    ],
)
def test_what_no_data_can_make_right_is_raised(
    client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray, options: dict
) -> None:
    with pytest.raises(InvalidInput):
        client.select(hidden, **{"candidates": chunks, **options})


def test_a_lost_context_is_sent_again(
    fake: FakeServer, client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray
) -> None:
    with client.context(hidden) as context:
        hidden[:] = 0  # the caller may use his memory again
        first = context.rank(chunks)
        assert context.rank(chunks).best == first.best
        fake.lose_contexts()
        again = context.select(chunks, rule="energy")
        assert again.index == first.best
        np.testing.assert_array_equal(context.rank(chunks).energies, first.energies)
        inline = [
            m.HasField("inline") for method, m in fake.requests if method in ("ScoreActions", "SelectAction")
        ]
        assert inline == [True, False, False, True, False]
    assert fake.requests[-1][0] == "DropContext"
    assert not fake._contexts


def test_outcomes(fake: FakeServer, client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray) -> None:
    chosen = client.select(hidden, chunks, rule="energy")
    report = client.report_outcome(chosen, success=True, executed=2, baseline_cost=0.5)
    assert report.monitor is not None
    assert report.monitor.open
    assert fake.outcomes[0].request_id == chosen.request_id
    assert fake.outcomes[0].success is True
    assert fake.outcomes[0].executed_index == 2
    client.report_outcome("fake-1", cost=0.25, whole_episode=True)
    assert fake.outcomes[1].cost == 0.25
    for wrong in ({}, {"success": True, "cost": 1.0}):
        with pytest.raises(InvalidInput):
            client.report_outcome(chosen, **wrong)
    fake.fail_next(Unavailable("gone"), 20)
    fallen_back = client.select(hidden, chunks, deadline=0.05)
    with pytest.raises(InvalidInput, match="no such decision"):
        client.report_outcome(fallen_back, success=True)
    fake._failures.clear()
    fake.fail_next(Unavailable("gone"))
    with pytest.raises(Unavailable):  # it may have arrived
        client.report_outcome(chosen, success=True)


def test_a_reloaded_model_is_looked_at_again(
    fake: FakeServer, client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray
) -> None:
    client.rank(hidden, chunks)
    client.rank(hidden, chunks)
    assert [method for method, _ in fake.requests] == ["GetModel", "ScoreActions", "ScoreActions"]
    fake._model.version.digest = "e" * 64
    client.rank(hidden, chunks)
    client.rank(hidden, chunks)
    assert [method for method, _ in fake.requests][3:] == ["ScoreActions", "GetModel", "ScoreActions"]


def test_robot_units_are_noticed_in_time(
    client: EnergyClient, hidden: np.ndarray, chunks: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    """Metres and radians lie within every limit; that they stay small is what tells them."""
    with caplog.at_level(logging.WARNING):
        for _ in range(UnitsWatch.REQUESTS - 1):
            client.rank(hidden, chunks / 100)
        client.rank(hidden, chunks)  # a robot that rested
        for _ in range(UnitsWatch.REQUESTS - 1):
            client.select(hidden, chunks / 100)
        assert not caplog.records
        for _ in range(2 * UnitsWatch.REQUESTS):
            client.select(hidden, chunks / 100)
    (record,) = caplog.records
    assert "robot units" in record.getMessage()


def test_asyncio_falls_back_too(fake: FakeServer, hidden: np.ndarray, chunks: np.ndarray) -> None:
    async def talk() -> None:
        async with AsyncEnergyClient(transport=AsyncFakeServer(fake)) as client:
            assert not (await client.select(hidden, chunks)).is_baseline
            fake.fail_next(Unavailable("gone"), 20)
            chosen = await client.select(hidden, chunks, deadline=0.05)
            assert chosen.is_baseline
            fake._failures.clear()
            report = await client.report_outcome("fake-1", success=False)
            assert report.counted
            async with client.stream() as stream:
                asked = await stream.submit(hidden, chunks)
                assert await stream.latest(wait=10, newer_than=asked - 1)

    asyncio.run(talk())
