"""Checks of inputs against the model's card, made before a byte is sent, for mistakes that would otherwise be energies."""

from __future__ import annotations

import math
from typing import Any, Collection, List, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from action_energy.arrays import WireArray, words_to_float32
from action_energy.errors import InvalidInput, found_of
from action_energy.model import ModelInfo

CHECKS = ("mask", "hidden", "actions")
"""What `unchecked` may name: mostly masked contexts; the statistics of hidden states; units and bounds of actions."""

Ranges = List[Tuple[int, int]]


def check_unchecked(unchecked: Collection[str]) -> None:
    for name in unchecked:
        if name not in CHECKS:
            raise InvalidInput("no such check", field="unchecked", found=repr(name), wanted=", ".join(CHECKS))


def check_hidden_shape(shape: Tuple[int, ...], model: ModelInfo, field: str) -> None:
    """[S, D] or [D], by the architecture."""
    single = model.architecture == "global_context"
    wanted = f"[{model.state_dim}]" if single else f"[S, {model.state_dim}]"
    if len(shape) == (1 if single else 2) and shape[-1] == model.state_dim:
        tokens = 1 if single else shape[0]
        if tokens > model.limits.tokens:
            raise InvalidInput(
                "too many tokens", field=field, found=str(tokens), wanted=f"at most {model.limits.tokens}"
            )
        return
    mend = None
    if not single and len(shape) == 2 and shape[0] == model.state_dim:
        mend = "It is transposed: pass hidden.T"
    elif single and len(shape) == 2:
        mend = "A global_context model takes one vector: the policy's pooled hidden state"
    elif not single and len(shape) == 1:
        mend = "A cross_attention model takes every token of the last hidden layer"
    raise InvalidInput(
        f"does not fit the model {model.name}", field=field, found=found_of(shape), wanted=wanted, mend=mend
    )


def visible_ranges(
    mask: Optional[npt.NDArray[np.bool_]],
    tokens: int,
    model: ModelInfo,
    unchecked: Collection[str],
    field: str,
) -> Ranges:
    """Half-open ranges of the tokens that are not masked."""
    if mask is None:
        visible: Ranges = [(0, tokens)]
        count = tokens
    else:
        _check_mask_shape(mask, tokens, model, field)
        edges = np.flatnonzero(np.diff(np.concatenate(([True], mask, [True])).astype(np.int8)))
        visible = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]
        count = tokens - int(mask.sum())
        if count == 0:
            raise InvalidInput(
                "no visible token",
                field=field,
                found=f"all {tokens} masked",
                wanted="at least one False",
                mend="True means ignore: is the mask inverted?",
            )
        if 2 * count < tokens and "mask" not in unchecked:
            raise InvalidInput(
                "hides more than it shows",
                field=field,
                found=f"{tokens - count} of {tokens} tokens masked",
                wanted="True where a token is ignored",
                mend="Inverted? An attention mask (True = attend) is ~mask. If it is right: unchecked=('mask',)",
            )
    if count == 1 and model.architecture == "cross_attention":
        raise InvalidInput(
            "a single visible token makes every energy equal (softmax over one key is 1)",
            field=field,
            found=f"{count} of {tokens} tokens visible",
            wanted="at least two visible tokens for a cross_attention model",
        )
    return visible


def _check_mask_shape(mask: npt.NDArray[np.bool_], tokens: int, model: ModelInfo, field: str) -> None:
    if model.architecture == "global_context":
        raise InvalidInput("a global_context model has no mask", field=field, wanted="None")
    if mask.shape == (tokens,):
        return
    mend = None
    if mask.ndim == 1 and model.chunk is not None and mask.size == tokens + model.chunk:
        mend = "The action tokens stand inside the sequence: the length is S, not S+H"
    raise InvalidInput(
        "one entry a context token", field=field, found=found_of(mask.shape), wanted=f"[{tokens}]", mend=mend
    )


# --- what the numbers look like ---------------------------------------------------------------------------------------

_SAMPLE = 1024
_ENOUGH = 256
# Numbers are read in runs of a cache line or two: one by one each would cost a miss.
_RUN = 32
# Octaves between the 5th and the 95th percentile of magnitudes. Normal numbers have 5, uniform ones 4.3, and no mixture of
# layer-norm outputs that we have met leaves 2.5 to 12. Wrong labels: bfloat16 bits read as float16 have 0.7 (the exponent
# becomes mantissa), float16 bits read as bfloat16 some 40, swapped bytes more than 20.
_NATURAL = (2.5, 12.0)
_PLAUSIBLE = (1.5, 16.0)
# Octaves between the medians of magnitudes here and in the calibration's data: robots and scenes move it by less than one.
_FAR = 4.0


def check_hidden_values(hidden: WireArray, visible: Ranges, model: ModelInfo, field: str) -> None:
    """Whether these bytes are numbers of that dtype, of the size that the model was calibrated on: a wrong label, a wrong byte
    order or another layer gives wrong energies with status OK."""
    sample = _sample(hidden.data, visible)
    octaves = _octaves(_read(sample, hidden.dtype))
    if octaves is None:
        return
    low, middle, high = octaves
    spread = high - low
    if not _PLAUSIBLE[0] <= spread <= _PLAUSIBLE[1]:
        _check_label(sample, hidden.dtype, spread, field)
    if model.hidden_octaves is None:
        return
    usual = model.hidden_octaves[1]
    if abs(middle - usual) > _FAR:
        raise InvalidInput(
            "far from the hidden states that the model was calibrated on",
            field=field,
            found=f"magnitudes around 2^{middle:.1f}",
            wanted=f"around 2^{usual:.1f}",
            mend="Another layer, before or after its norm, or a wrong dtype? If it is right: unchecked=('hidden',)",
        )


def _check_label(sample: npt.NDArray[Any], label: str, spread: float, field: str) -> None:
    """Of numbers that are none: whether they would be, read as another dtype or in the other byte order."""
    others = ("float16", "bfloat16") if sample.dtype.itemsize == 2 else ("float32",)
    for swapped in (False, True):
        for dtype in others:
            if dtype == label and not swapped:
                continue
            octaves = _octaves(_read(sample.byteswap() if swapped else sample, dtype))
            if octaves is not None and _NATURAL[0] <= octaves[2] - octaves[0] <= _NATURAL[1]:
                really = f"{'big-endian ' if swapped else ''}{dtype}"
                raise InvalidInput(
                    f"looks like {really} bytes under a {label} label",
                    field=field,
                    found=f"magnitudes over {spread:.1f} octaves",
                    wanted=f"{_NATURAL[0]} to {_NATURAL[1]}; read as {really} they are {octaves[2] - octaves[0]:.1f}",
                    mend="Pass the tensor itself, not its bytes. If it is right: unchecked=('hidden',)",
                )
    if not math.isfinite(spread):
        raise InvalidInput(
            "non-finite hidden states",
            field=field,
            found="NaN or infinity in visible tokens",
            wanted="finite values",
            mend="Mask tokens that the policy never wrote, and look for an overflow in float16",
        )


def _sample(data: npt.NDArray[Any], visible: Ranges) -> npt.NDArray[Any]:
    parts = [data] if data.ndim == 1 else [data[start:end] for start, end in visible]
    run = min(_RUN, data.shape[-1])
    count = sum(part.size for part in parts)
    stride = max(1, count // _SAMPLE) | 1  # odd, so that it visits every column of a width that is even
    runs = [part.reshape(-1)[: part.size // run * run].reshape(-1, run)[::stride] for part in parts]
    sample: npt.NDArray[Any] = np.concatenate(runs).reshape(-1)
    return sample


def _read(words: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.float32]:
    if dtype == "bfloat16":
        return words_to_float32(words.view(np.uint16))
    return words.view(dtype).astype(np.float32)


def _octaves(values: npt.NDArray[np.float32]) -> Optional[Tuple[float, float, float]]:
    """log2 of magnitudes that are not 0, at their 5th, 50th and 95th percentile; infinitely far apart with non-finite values;
    None: too few, or all the same."""
    magnitudes = np.abs(values[values != 0])
    count = magnitudes.size
    if count == 0:
        return None
    magnitudes.sort()  # NaN comes last
    lowest, highest = float(magnitudes[0]), float(magnitudes[-1])
    if not math.isfinite(highest):
        return -math.inf, 0.0, math.inf
    if count < _ENOUGH or lowest == highest:
        return None
    low, middle, high = (math.log2(magnitudes[int(share * count)]) for share in (0.05, 0.5, 0.95))
    return low, middle, high


def check_index(index: Optional[int], count: int, field: str) -> None:
    if index is not None and not 0 <= index < count:
        raise InvalidInput("no such candidate", field=field, found=str(index), wanted=f"0 to {count - 1}")


def check_choice(value: str, choices: Sequence[str], field: str) -> None:
    if value not in choices:
        raise InvalidInput("unknown", field=field, found=repr(value), wanted=", ".join(choices))
