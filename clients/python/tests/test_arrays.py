from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from action_energy import BFloat16, InvalidInput
from action_energy.arrays import bool_array, host_array, wire_array
from action_energy.requests import candidates_input

VALUES = np.arange(-12, 12, dtype=np.float32).reshape(4, 6) / 8  # exact in every dtype of the wire


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_order_and_endianness_are_put_right(dtype: str, order: str) -> None:
    wire = wire_array(np.array(VALUES, dtype, order=order), "x")
    assert wire.dtype == f"float{8 * int(dtype[2])}"
    little = np.frombuffer(bytes(wire.buffer()), "<" + dtype[1:]).reshape(4, 6)
    np.testing.assert_array_equal(little, VALUES)


def test_views_with_strides_are_put_right() -> None:
    wire = wire_array(np.repeat(VALUES, 2, axis=1)[::-1, ::2], "x")
    np.testing.assert_array_equal(wire.values(), VALUES[::-1])


def test_torch_bfloat16_travels_as_it_is_without_a_copy() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(VALUES, dtype=torch.bfloat16, requires_grad=True)
    wire = wire_array(tensor, "x")
    assert wire.dtype == "bfloat16"
    assert wire.data.ctypes.data == tensor.data_ptr()
    np.testing.assert_array_equal(wire.values(), VALUES)
    np.testing.assert_array_equal(wire_array(tensor.T, "x").values(), VALUES.T)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_torch_keeps_its_dtype(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    wire = wire_array(torch.tensor(VALUES, dtype=getattr(torch, dtype)), "x")
    assert wire.dtype == dtype
    np.testing.assert_array_equal(wire.values(), VALUES)


class JaxArray:
    """What matters of a jax.Array: `__array__`, with ml_dtypes' bfloat16."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self._array


class DlpackOnly:
    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options: object) -> object:
        return self._array.__dlpack__()

    def __dlpack_device__(self) -> object:
        return self._array.__dlpack_device__()


def test_arrays_of_other_libraries() -> None:
    bfloat16 = wire_array(JaxArray(VALUES.astype(ml_dtypes.bfloat16)), "x")
    assert bfloat16.dtype == "bfloat16"
    np.testing.assert_array_equal(bfloat16.values(), VALUES)
    assert wire_array(DlpackOnly(VALUES), "x").data.ctypes.data == VALUES.ctypes.data


def test_words_need_their_name() -> None:
    words = VALUES.astype(ml_dtypes.bfloat16).view(np.int16)
    with pytest.raises(InvalidInput, match="BFloat16"):
        wire_array(words, "hidden")
    np.testing.assert_array_equal(wire_array(BFloat16(words), "hidden").values(), VALUES)
    with pytest.raises(InvalidInput):
        wire_array(BFloat16(VALUES), "hidden")


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2)), np.zeros((2, 2), np.int64), np.zeros(4, np.uint8), np.zeros(2, complex)]
)
def test_hidden_states_are_never_converted_silently(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidInput) as caught:
        wire_array(wrong, "hidden")
    assert caught.value.field == "hidden"
    assert caught.value.found == str(wrong.dtype)


@pytest.mark.parametrize("wrong", [object(), np.array([object()]), [[1.0], [1.0, 2.0]], "text", None])
def test_what_is_no_array(wrong: object) -> None:
    with pytest.raises(InvalidInput):
        wire_array(wrong, "hidden")


def test_masks() -> None:
    np.testing.assert_array_equal(bool_array([0, 1, 1], "mask"), [False, True, True])
    np.testing.assert_array_equal(bool_array(np.array([0.0, 1.0]), "mask"), [False, True])
    with pytest.raises(InvalidInput, match="additive"):
        bool_array(np.array([0.0, -np.inf], np.float32), "mask")


def test_candidates_keep_the_callers_numbers() -> None:
    chunks = np.random.default_rng(0).uniform(-1, 1, (3, 8, 7))
    given = candidates_input(chunks, None)
    assert given.values.dtype == np.float64
    np.testing.assert_array_equal(given.values, chunks)
    assert given.wire.dtype == "float32"
    assert candidates_input(list(chunks), None).wire.shape == (3, 8, 7)
    assert candidates_input(chunks[0], None).wire.shape == (1, 8, 7)
    assert candidates_input(chunks[np.newaxis], None).wire.shape == (3, 8, 7)
    with pytest.raises(InvalidInput, match="different shapes"):
        candidates_input([chunks[0], chunks[1][:4]], None)


def test_host_arrays_of_bfloat16_are_exact() -> None:
    np.testing.assert_array_equal(host_array(VALUES.astype(ml_dtypes.bfloat16), "x"), VALUES)
