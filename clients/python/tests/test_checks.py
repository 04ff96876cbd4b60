"""The traps: each would be an energy with status OK, or an error a long way from its cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from action_energy import Gripper, InvalidInput, ModelInfo
from action_energy._proto import energy_pb2
from action_energy.model import model_info
from action_energy.requests import candidates_input, context_input, joined
from action_energy.testing import FakeServer

S, D = 48, 64


@pytest.fixture
def model() -> ModelInfo:
    fake = FakeServer(state_dim=D)
    return model_info(fake._model)


@pytest.fixture
def hidden(rng: np.random.Generator) -> np.ndarray:
    """Looks like a last hidden layer: scales by token and by channel, a few massive channels."""
    scale = rng.lognormal(0, 0.5, (S, 1)) * rng.lognormal(0, 0.7, (1, D))
    scale[:, :2] *= 50
    return (rng.normal(size=(S, D)) * scale).astype(np.float32)


def sent(hidden: Any, model: ModelInfo, mask: Any = None, **options: Any) -> np.ndarray:
    message = energy_pb2.InlineContext.FromString(joined(context_input(hidden, mask, model, **options).parts))
    dtype = {1: "<f4", 2: "<f2", 3: ml_dtypes.bfloat16}[message.hidden.dtype]
    return np.frombuffer(message.hidden.data, dtype).reshape(tuple(message.hidden.shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_right_contexts_pass(hidden: np.ndarray, model: ModelInfo, dtype: Any) -> None:
    given = hidden.astype(dtype)
    np.testing.assert_array_equal(sent(given, model), given)
    np.testing.assert_array_equal(sent(given[np.newaxis], model), given)
    for plain in (np.ones((S, D), dtype), np.zeros((S, D), dtype), np.full((S, D), 1.5, dtype)):
        sent(plain, model)
    sent(np.maximum(hidden, 0).astype(dtype), model)


def test_masked_tokens_are_not_sent(hidden: np.ndarray, model: ModelInfo) -> None:
    mask = np.zeros(S, bool)
    mask[3:7] = mask[20] = mask[40:] = True
    hidden[mask] = np.nan
    np.testing.assert_array_equal(sent(hidden, model, mask), hidden[~mask])
    np.testing.assert_array_equal(
        sent(hidden[np.newaxis], model, mask[np.newaxis].astype(np.int64)), hidden[~mask]
    )


WRONG_LABELS = [
    (ml_dtypes.bfloat16, np.float16, "bfloat16"),
    (np.float16, ml_dtypes.bfloat16, "float16"),
]


@pytest.mark.parametrize(("really", "label", "said"), WRONG_LABELS)
def test_a_wrong_dtype_label_is_found(
    hidden: np.ndarray, model: ModelInfo, really: Any, label: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=f"looks like {said} bytes") as caught:
        sent(hidden.astype(really).view(label), model)
    assert caught.value.field == "hidden"
    sent(hidden.astype(really).view(label), model, unchecked=("hidden",))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_wrong_byte_order_is_found(hidden: np.ndarray, model: ModelInfo, dtype: Any) -> None:
    swapped = hidden.astype(dtype).view(f"u{np.dtype(dtype).itemsize}").byteswap().view(dtype)
    with pytest.raises(InvalidInput, match=r"big-endian|non-finite"):
        sent(swapped, model)


def test_an_inverted_mask_is_found(hidden: np.ndarray, model: ModelInfo) -> None:
    mask = np.zeros(S, bool)
    mask[-8:] = True
    with pytest.raises(InvalidInput, match="Inverted") as caught:
        sent(hidden, model, ~mask)
    assert caught.value.field == "mask"
    assert sent(hidden, model, ~mask, unchecked=("mask",)).shape == (8, D)
    with pytest.raises(InvalidInput, match="inverted"):
        sent(hidden, model, np.ones(S, bool))


def test_masks_of_another_length(hidden: np.ndarray, model: ModelInfo) -> None:
    with pytest.raises(InvalidInput, match=r"S, not S\+H"):
        sent(hidden, model, np.zeros(S + 8, bool))
    with pytest.raises(InvalidInput) as caught:
        sent(hidden, model, np.zeros(S - 1, bool))
    assert (caught.value.found, caught.value.wanted) == (f"[{S - 1}]", f"[{S}]")
    single = np.ones(S, bool)
    single[0] = False
    with pytest.raises(InvalidInput, match="one key"):
        sent(hidden, model, single, unchecked=("mask",))


def test_shapes_say_what_is_likely(hidden: np.ndarray, model: ModelInfo) -> None:
    with pytest.raises(InvalidInput, match=r"hidden\.T"):
        sent(np.ascontiguousarray(hidden.T), model)
    with pytest.raises(InvalidInput, match="one context at a time"):
        sent(np.stack([hidden, hidden]), model)
    with pytest.raises(InvalidInput, match="every token"):
        sent(hidden[0], model)
    pooled = replace(model, architecture="global_context")
    assert sent(hidden[0], pooled).shape == (D,)
    assert sent(hidden[:1], pooled).shape == (D,)
    with pytest.raises(InvalidInput, match="one vector"):
        sent(hidden, pooled)
    with pytest.raises(InvalidInput, match="no mask"):
        sent(hidden[0], pooled, np.zeros(1, bool))


def test_states_unlike_those_of_the_calibration(hidden: np.ndarray, model: ModelInfo) -> None:
    """Another layer, or one before its norm."""
    middle = float(np.median(np.log2(np.abs(hidden))))
    calibrated = replace(model, hidden_octaves=(middle - 3, middle, middle + 3))
    for near in (hidden, 4 * hidden, hidden / 4, np.ones((S, D), np.float32)):
        sent(near, calibrated)
    for far in (32 * hidden, hidden / 32):
        with pytest.raises(InvalidInput, match="calibrated on") as caught:
            sent(far, calibrated)
        assert caught.value.field == "hidden"
        assert caught.value.wanted == f"around 2^{middle:.1f}"
        sent(far, model)
        sent(far, calibrated, unchecked=("hidden",))


def test_large_contexts_are_looked_at_in_parts(model: ModelInfo, rng: np.random.Generator) -> None:
    large = rng.normal(size=(600, 4096)).astype(ml_dtypes.bfloat16)
    wide = replace(model, state_dim=4096)
    mask = np.arange(600) % 3 == 1
    sent(large, wide, mask)
    with pytest.raises(InvalidInput, match="looks like bfloat16 bytes"):
        sent(large.view(np.float16), wide, mask)


def test_non_finite_states_say_so(hidden: np.ndarray, model: ModelInfo) -> None:
    hidden[:] = np.nan
    with pytest.raises(InvalidInput, match="non-finite"):
        sent(hidden, model)


@pytest.fixture
def chunks(rng: np.random.Generator) -> np.ndarray:
    chunks = rng.uniform(-1, 1, (3, 8, 7)).astype(np.float32)
    chunks[..., 6] = rng.integers(0, 2, (3, 8))
    return chunks


def test_units_and_bounds(chunks: np.ndarray, model: ModelInfo) -> None:
    candidates_input(chunks, model)
    degrees = chunks.copy()
    degrees[2, 3, 4] = 42
    with pytest.raises(InvalidInput, match="does not look normalised") as caught:
        candidates_input(degrees, model)
    assert caught.value.field is not None
    assert caught.value.field.startswith("candidates[2, 3, 4]")
    candidates_input(degrees, model, unchecked=("actions",))
    candidates_input(degrees, replace(model, units="raw"))
    bounded = replace(model, bounds=((-1.0,) * 7, (0.5,) * 7), units="raw")
    with pytest.raises(InvalidInput, match="outside the bounds"):
        candidates_input(chunks, bounded)


def test_gripper_coding(chunks: np.ndarray, model: ModelInfo) -> None:
    with_gripper = replace(model, gripper=Gripper(6, "zero_one"))
    candidates_input(chunks, with_gripper)
    chunks[..., 6] = 2 * chunks[..., 6] - 1
    with pytest.raises(InvalidInput, match="not coded as 0 and 1"):
        candidates_input(chunks, with_gripper)
    candidates_input(chunks, replace(model, gripper=Gripper(6, "minus_one_one")))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_one_grippers_for_a_model_of_minus_one_and_one(
    chunks: np.ndarray, model: ModelInfo, dtype: type
) -> None:
    wanted = replace(model, gripper=Gripper(6, "minus_one_one"))
    given = chunks.astype(dtype)
    for states in (given[..., 6].copy(), np.zeros((3, 8)), np.full((3, 8), 0.01)):
        given[..., 6] = states
        with pytest.raises(InvalidInput, match="looks coded as 0 and 1") as caught:
            candidates_input(given, wanted)
        assert caught.value.mend is not None
        assert "conventions.gripper" in caught.value.mend
        candidates_input(given, wanted, unchecked=("actions",))
        candidates_input(given, replace(model, gripper=Gripper(6, "continuous")))
    moving = chunks.copy()
    moving[..., 6] = np.linspace(-1, 1, 8)  # opens slowly, through 0
    for right in (moving, np.zeros_like(chunks), np.ones_like(chunks)):
        candidates_input(right, wanted)


def test_a_value_that_float32_rounds_to_the_limit_is_inside(chunks: np.ndarray, model: ModelInfo) -> None:
    near = chunks.astype(np.float64)
    near[0, 0, 0] = 5 + 1e-9
    candidates_input(near, model)


def test_chunk_shapes(chunks: np.ndarray, model: ModelInfo) -> None:
    for wrong, mend in [
        (chunks.transpose(0, 2, 1), "transpose"),
        (np.concatenate([chunks, chunks], axis=1), r"candidates\[:, :8\]"),
        (np.concatenate([chunks, np.zeros((3, 8, 25), np.float32)], axis=2), r"candidates\[..., :7\]"),
        (chunks[:0], "wanted"),
        (np.zeros((2000, 8, 7), np.float32), "too many"),
    ]:
        with pytest.raises(InvalidInput, match=mend):
            candidates_input(wrong, model)
    chunks[1, 2, 3] = np.nan
    with pytest.raises(InvalidInput, match=r"candidates\[1, 2, 3\].*non-finite"):
        candidates_input(chunks, model)
