"""Arrays of any library as the wire has them: dtype, shape and little-endian row-major bytes.

Taken: NumPy arrays of any order and endianness, PyTorch tensors (bfloat16 as it is, on any device, with or without grad),
JAX and TensorFlow arrays (through `__array__`), anything with `__dlpack__`, lists. Nothing is imported, pickled or widened.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Tuple

import numpy as np
import numpy.typing as npt

from action_energy._proto import tensor_pb2
from action_energy.errors import InvalidInput, found_of

ArrayLike = Any
"""NumPy, PyTorch, JAX, TensorFlow or DLPack array, or nested lists of numbers."""

_DTYPES = {
    "float32": tensor_pb2.Tensor.FLOAT32,
    "float16": tensor_pb2.Tensor.FLOAT16,
    "bfloat16": tensor_pb2.Tensor.BFLOAT16,
}


@dataclass(frozen=True)
class BFloat16:
    """bfloat16 numbers held as 16-bit words, for arrays without a bfloat16 dtype: `BFloat16(words)`, uint16 or int16."""

    words: ArrayLike


@dataclass(frozen=True)
class WireArray:
    """`dtype` float32, float16 or bfloat16; `data` C-contiguous, little-endian; uint16 words for bfloat16."""

    dtype: str
    data: npt.NDArray[Any]

    @property
    def shape(self) -> Tuple[int, ...]:
        return self.data.shape

    @property
    def row_bytes(self) -> int:
        """Bytes of one entry of the first axis."""
        return self.data.nbytes // max(1, self.shape[0])

    def reshape(self, shape: Tuple[int, ...]) -> WireArray:
        return WireArray(self.dtype, self.data.reshape(shape))

    def buffer(self) -> memoryview:
        """The bytes, not copied."""
        return memoryview(self.data.reshape(-1)).cast("B")  # type: ignore[arg-type]  # NumPy before 2.1

    def head(self, shape: Tuple[int, ...]) -> bytes:
        """The Tensor message without its data."""
        return _head(self.dtype, shape)

    def message(self) -> tensor_pb2.Tensor:
        return tensor_pb2.Tensor(dtype=_DTYPES[self.dtype], shape=self.shape, data=self.data.tobytes())

    def values(self) -> npt.NDArray[np.float32]:
        """As float32, exact; a view where it is float32 already."""
        return (
            words_to_float32(self.data)
            if self.dtype == "bfloat16"
            else self.data.astype(np.float32, copy=False)
        )


@lru_cache(maxsize=64)  # a loop sends the same shapes again and again
def _head(dtype: str, shape: Tuple[int, ...]) -> bytes:
    message: bytes = tensor_pb2.Tensor(dtype=_DTYPES[dtype], shape=shape).SerializeToString()
    return message


def words_to_float32(words: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """bfloat16 words as float32, exact: they are the upper half of its bits."""
    return (words.astype(np.uint32) << np.uint32(16)).view(np.float32)


def wire_array(value: ArrayLike, field: str, *, narrow: bool = False) -> WireArray:
    """`value` for the wire. Errors: `InvalidInput` naming `field`.

    `narrow`: take float64 and integers too, rounded to float32 (action chunks); otherwise they are refused, because
    nothing that a policy computes is float64 and a silent conversion would hide what made it so (hidden states).
    Plain lists have no dtype and become float32.
    """
    array, is_bfloat16 = _host_array(value, field)
    return _wire(array, is_bfloat16, field, narrow or isinstance(value, (list, tuple)))


def wire_and_host(value: ArrayLike, field: str) -> Tuple[WireArray, npt.NDArray[Any]]:
    """`wire_array(narrow=True)` and `host_array` of one value."""
    array, is_bfloat16 = _host_array(value, field)
    return _wire(array, is_bfloat16, field, True), _widened(array, is_bfloat16)


def _wire(array: npt.NDArray[Any], is_bfloat16: bool, field: str, narrow: bool) -> WireArray:
    if not is_bfloat16:
        array = _float_array(array, field, narrow)
    name = "bfloat16" if is_bfloat16 else f"float{8 * array.dtype.itemsize}"
    if array.dtype.isnative and sys.byteorder == "little" and array.flags.c_contiguous:
        return WireArray(name, array)
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    return WireArray(name, little)


def host_array(value: ArrayLike, field: str) -> npt.NDArray[Any]:
    """In memory of the host, as NumPy has it; bfloat16 exactly as float32."""
    return _widened(*_host_array(value, field))


def _widened(array: npt.NDArray[Any], is_bfloat16: bool) -> npt.NDArray[Any]:
    return words_to_float32(np.ascontiguousarray(array)).reshape(array.shape) if is_bfloat16 else array


def bool_array(value: ArrayLike, field: str) -> npt.NDArray[np.bool_]:
    """A mask: booleans, or integers and floats that are all 0 or 1."""
    array = host_array(value, field)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise InvalidInput("not a mask", field=field, found=str(array.dtype), wanted="booleans, or 0 and 1")
    wrong = array[(array != 0) & (array != 1)]
    if wrong.size:
        raise InvalidInput(
            "not truth values",
            field=field,
            found=str(wrong.flat[0]),
            wanted="True (ignore that token) or False",
            mend="An additive attention mask (0 and -inf) is turned into this one by `mask != 0`",
        )
    return array.astype(np.bool_)


def _float_array(array: npt.NDArray[Any], field: str, narrow: bool) -> npt.NDArray[Any]:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size in (2, 4):
        return array
    if narrow and (kind == "f" or kind in "iu"):
        return array.astype(np.float32)
    mend = "Convert it where it is made: .astype(np.float32)"
    if kind in "iu" and size == 2:
        mend = "If these are the bits of bfloat16 numbers, say so: action_energy.BFloat16(words)"
    elif kind == "u" and size == 1:
        mend = "Raw bytes need their dtype: np.frombuffer(data, dtype).reshape(shape)"
    raise InvalidInput(
        "not a dtype of the wire",
        field=field,
        found=str(array.dtype),
        wanted="float32, float16 or bfloat16",
        mend=mend,
    )


def _host_array(value: ArrayLike, field: str) -> Tuple[npt.NDArray[Any], bool]:
    """The array, and whether it is bfloat16 (then as words)."""
    if isinstance(value, BFloat16):
        words, is_bfloat16 = _host_array(value.words, field)
        if not is_bfloat16 and (words.dtype.kind not in "iu" or words.dtype.itemsize != 2):
            raise InvalidInput(
                "not words", field=field, found=str(words.dtype), wanted="uint16 or int16 in BFloat16()"
            )
        return words if is_bfloat16 else words.view(words.dtype.str.replace("i", "u")), True
    if isinstance(value, np.ndarray):
        return _words_of(value)
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        return _torch_array(value)
    try:
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            return _words_of(np.from_dlpack(value))
        return _words_of(np.asarray(value))
    except Exception as cause:
        raise InvalidInput(
            "not an array in memory of the host",
            field=field,
            found=f"{type(value).__module__}.{type(value).__qualname__}: {cause}",
            wanted="a NumPy array, or a tensor that can be read as one",
            mend="Copy it to the host first (cupy: .get(); torch: .cpu())",
        ) from cause


def _torch_array(tensor: Any) -> Tuple[npt.NDArray[Any], bool]:
    torch = sys.modules["torch"]  # whoever has a tensor has it
    host = tensor.detach().cpu()
    if host.is_conj() or host.is_neg():
        host = host.resolve_conj().resolve_neg()
    if host.dtype == torch.bfloat16:
        return host.contiguous().view(torch.int16).numpy().view(np.uint16), True
    return host.numpy(), False


def _words_of(array: npt.NDArray[Any]) -> Tuple[npt.NDArray[Any], bool]:
    """ml_dtypes' bfloat16 (JAX's, TensorFlow's) is a dtype of NumPy's by another name."""
    kind = array.dtype.kind
    if kind in "fiub":
        return array, False
    if kind == "O":
        raise InvalidInput(
            "not numbers", field="array", found="objects or rows of different lengths", wanted="numbers"
        )
    if array.dtype.name != "bfloat16":
        return array, False
    return np.ascontiguousarray(array).view(np.uint16).reshape(array.shape), True


def squeeze_batch(array: npt.NDArray[Any], axes: int, field: str) -> npt.NDArray[Any]:
    """`[1, ...]` with one axis too many loses the batch axis, which policies leave on."""
    if array.ndim == axes + 1 and array.shape[0] == 1:
        return array.reshape(array.shape[1:])
    if array.ndim == axes + 1:
        raise InvalidInput(
            "one context at a time",
            field=field,
            found=found_of(array.shape),
            wanted=f"{axes} axes, or 1 before them",
            mend="Call once a context; kept contexts and `matrix` take several",
        )
    return array
