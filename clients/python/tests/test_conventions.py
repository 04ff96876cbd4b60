from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from action_energy import InvalidInput
from action_energy.conventions import GRIPPERS, Normalizer, gripper

Q01 = [-0.5, -0.4, -0.9, -0.1, -0.2, -0.3, 0.0]
Q99 = [0.5, 0.8, 0.9, 0.1, 0.2, 0.4, 1.0]
MASK = [True] * 6 + [False]


@pytest.fixture
def chunks(rng: np.random.Generator) -> np.ndarray:
    chunks = rng.uniform(Q01, Q99, (5, 8, 7))
    chunks[..., 6] = rng.integers(0, 2, (5, 8))
    return chunks


def test_ends_and_middle() -> None:
    normalizer = Normalizer.of(Q01, Q99, MASK)
    np.testing.assert_allclose(normalizer.normalize(Q01)[:6], -1)
    np.testing.assert_allclose(normalizer.normalize(Q99)[:6], 1)
    assert normalizer.normalize(Q99)[6] == 1  # the gripper is left alone


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 2e-7)])
def test_round_trip(chunks: np.ndarray, dtype: Any, tolerance: float) -> None:
    normalizer = Normalizer.of(Q01, Q99, MASK)
    given = chunks.astype(dtype)
    normalized = normalizer.normalize(given)
    assert normalized.dtype == dtype
    assert np.abs(normalized).max() <= 1 + tolerance
    np.testing.assert_allclose(normalizer.denormalize(normalized), given, atol=tolerance)


def test_clip_and_a_dim_without_a_scale() -> None:
    normalizer = Normalizer.of([0.0, 2.0], [1.0, 2.0], clip=True)
    np.testing.assert_allclose(normalizer.normalize([3.0, 7.0]), [1, 0])
    np.testing.assert_allclose(normalizer.denormalize([0.0, 0.0]), [0.5, 2])


def test_files_in_use(tmp_path: Path) -> None:
    openvla = {"libero_spatial": {"action": {"q01": Q01, "q99": Q99, "mask": MASK}, "num_transitions": 5}}
    openpi = {"norm_stats": {"state": {}, "actions": {"q01": Q01, "q99": Q99, "mean": [], "std": []}}}
    (tmp_path / "dataset_statistics.json").write_text(json.dumps(openvla))
    (tmp_path / "norm_stats.json").write_text(json.dumps(openpi))
    first = Normalizer.from_statistics(tmp_path / "dataset_statistics.json")
    assert first.mask.tolist() == MASK
    assert Normalizer.from_statistics(openvla["libero_spatial"]).mask.tolist() == MASK
    assert Normalizer.from_statistics(tmp_path / "norm_stats.json").mask.all()
    two = {**openvla, "bridge": openvla["libero_spatial"]}
    assert Normalizer.from_statistics(two, "bridge").low.tolist() == Q01
    with pytest.raises(InvalidInput, match="libero_spatial, bridge"):
        Normalizer.from_statistics(two)
    with pytest.raises(InvalidInput, match="no fractal"):
        Normalizer.from_statistics(two, "fractal")
    with pytest.raises(InvalidInput, match="no q99"):
        Normalizer.from_statistics({"action": {"q01": Q01}})
    with pytest.raises(InvalidInput, match="cannot be read"):
        Normalizer.from_statistics(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("low", "high"), [([0, 1], [1]), ([0.0], [np.nan]), ([1.0], [0.0]), ([[0.0]], [[1.0]])]
)
def test_ranges_that_are_none(low: Any, high: Any) -> None:
    with pytest.raises(InvalidInput):
        Normalizer.of(low, high)
    with pytest.raises(InvalidInput):
        Normalizer.of(Q01, Q99).normalize(np.zeros(6))


@pytest.mark.parametrize(("source", "target"), list(itertools.product(GRIPPERS, GRIPPERS)))
def test_gripper_round_trips(chunks: np.ndarray, source: str, target: str) -> None:
    open_, closed = GRIPPERS[source]
    chunks[..., 6] = open_ + chunks[..., 6] * (closed - open_)
    there = gripper(chunks, 6, source, target)
    assert set(np.unique(there[..., 6])) <= set(GRIPPERS[target])
    np.testing.assert_allclose(gripper(there, -1, target, source), chunks, atol=1e-15)
    np.testing.assert_array_equal(there[..., :6], chunks[..., :6])


def test_gripper_known_values() -> None:
    assert gripper([0.0, 1.0], 1, "open_one", "libero")[1] == -1  # open: RLDS 1, LIBERO -1
    assert gripper([0.0, 0.0], 1, "open_one", "libero")[1] == 1
    assert gripper([0.6], 0, "closed_one", "libero", binarize=True)[0] == 1
    assert gripper([0.5], 0, "closed_one", "libero", binarize=True)[0] == -1
    for wrong in ({"index": 2}, {"source": "bridge"}):
        with pytest.raises(InvalidInput):
            gripper([0.0, 0.0], **{"index": 0, "source": "libero", "target": "libero", **wrong})
