"""Checks of inputs against the model's card, made before a byte is sent, for mistakes that would otherwise be energies."""

from __future__ import annotations

from typing import Any, Collection, List, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from action_energy.arrays import WireArray, words_to_float32
from action_energy.errors import InvalidInput, found_of
from action_energy.model import ModelInfo

CHECKS = ("mask", "hidden", "actions")
"""What `unchecked` may name: mostly masked contexts; the statistics of hidden states; units and bounds of actions."""

Ranges = List[Tuple[int, int]]

NORMALIZED_LIMIT = 5.0
"""As the server has it: normalised actions, even perturbed ones, stay below this magnitude."""


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

_SAMPLE = 2048
_ENOUGH = 256
# Octaves between the 5th and the 95th percentile of magnitudes. Normal numbers have 5, uniform ones 4.3, and no mixture of
# layer-norm outputs that we have met leaves 2.5 to 12. Wrong labels: bfloat16 bits read as float16 have 0.7 (the exponent
# becomes mantissa), float16 bits read as bfloat16 some 40, swapped bytes more than 20.
_NATURAL = (2.5, 12.0)
_PLAUSIBLE = (1.5, 16.0)


def check_hidden_values(hidden: WireArray, visible: Ranges, field: str) -> None:
    """Whether these bytes are numbers of that dtype: a wrong label or byte order gives wrong energies with status OK."""
    sample = _sample(hidden.data, visible)
    spread = _spread(_read(sample, hidden.dtype))
    if spread is None or _PLAUSIBLE[0] <= spread <= _PLAUSIBLE[1]:
        return
    others = ("float16", "bfloat16") if sample.dtype.itemsize == 2 else ("float32",)
    for swapped in (False, True):
        for dtype in others:
            if dtype == hidden.dtype and not swapped:
                continue
            other = _spread(_read(sample.byteswap() if swapped else sample, dtype))
            if other is not None and _NATURAL[0] <= other <= _NATURAL[1]:
                really = f"{'big-endian ' if swapped else ''}{dtype}"
                raise InvalidInput(
                    f"looks like {really} bytes under a {hidden.dtype} label",
                    field=field,
                    found=f"magnitudes over {spread:.1f} octaves",
                    wanted=f"{_NATURAL[0]} to {_NATURAL[1]}; read as {really} they are {other:.1f}",
                    mend="Pass the tensor itself, not its bytes. If it is right: unchecked=('hidden',)",
                )
    if not np.isfinite(spread):
        raise InvalidInput(
            "non-finite hidden states",
            field=field,
            found="NaN or infinity in visible tokens",
            wanted="finite values",
            mend="Mask tokens that the policy never wrote, and look for an overflow in float16",
        )


def _sample(data: npt.NDArray[Any], visible: Ranges) -> npt.NDArray[Any]:
    parts = [data] if data.ndim == 1 else [data[start:end] for start, end in visible]
    count = sum(part.size for part in parts)
    stride = max(1, count // _SAMPLE) | 1  # odd, so that it visits every column of a width that is even
    return np.concatenate([part.reshape(-1)[::stride] for part in parts])


def _read(words: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.float32]:
    if dtype == "bfloat16":
        return words_to_float32(words.view(np.uint16))
    return words.view(dtype).astype(np.float32)


def _spread(values: npt.NDArray[np.float32]) -> Optional[float]:
    """Octaves between the 5th and 95th percentile of non-zero magnitudes; infinite with non-finite values; None: too few."""
    if not np.isfinite(values).all():
        return float("inf")
    magnitudes = np.abs(values[values != 0])
    if magnitudes.size < _ENOUGH or magnitudes.min() == magnitudes.max():
        return None
    octaves = np.sort(np.log2(magnitudes))
    return float(octaves[int(0.95 * octaves.size)] - octaves[int(0.05 * octaves.size)])


def check_candidates(
    values: npt.NDArray[Any], model: ModelInfo, unchecked: Collection[str], field: str
) -> None:
    """[N, H, A]: shape, finite values, units and bounds of the card, coding of the gripper."""
    shape = values.shape
    wanted = f"[N, {model.chunk or 'H'}, {model.action_dim}]"
    fits = len(shape) == 3 and shape[2] == model.action_dim and min(shape) > 0
    if not fits or (model.chunk is not None and shape[1] != model.chunk):
        mend = None
        if len(shape) == 3 and shape[1] == model.action_dim and model.chunk in (None, shape[2]):
            mend = "Steps come before dims: candidates.transpose(0, 2, 1)"
        elif len(shape) == 3 and fits and model.chunk is not None:
            mend = f"The model was trained on chunks of {model.chunk} steps: candidates[:, :{model.chunk}]"
        elif len(shape) == 3 and shape[2] > model.action_dim:
            mend = f"Padded dims are left out: candidates[..., :{model.action_dim}]"
        raise InvalidInput(
            f"does not fit the model {model.name}",
            field=field,
            found=found_of(shape),
            wanted=wanted,
            mend=mend,
        )
    limits = model.limits
    if shape[0] > limits.candidates or shape[1] > (model.chunk or limits.steps):
        raise InvalidInput(
            "too many",
            field=field,
            found=found_of(shape),
            wanted=f"at most [{limits.candidates}, {model.chunk or limits.steps}]",
        )
    finite = np.isfinite(values)
    if not finite.all():
        raise _at(values, ~finite, model, field, "non-finite action", "a finite value", None)
    if "actions" in unchecked:
        return
    _check_units(values, model, field)


def _check_units(values: npt.NDArray[Any], model: ModelInfo, field: str) -> None:
    # float32 against float64 bounds, as the server compares: float32(0.1) lies above a bound of 0.1
    single = values.astype(np.float32, copy=False)
    if model.bounds is not None:
        low, high = (np.asarray(side, np.float64) for side in model.bounds)
        outside = (single < low) | (single > high)
        if outside.any():
            raise _at(
                values,
                outside,
                model,
                field,
                "outside the bounds of the model card",
                f"within {_bounds(low, high, outside)}",
                f"Clip it, or check that it is in the card's units ({model.units})",
            )
    if model.units == "normalized_q99":
        far = np.abs(single) > NORMALIZED_LIMIT
        if far.any():
            raise _at(
                values,
                far,
                model,
                field,
                "does not look normalised",
                f"q01/q99-normalised values, within ±{NORMALIZED_LIMIT:g}",
                "Score the chunks that the policy puts out, before they are turned into robot units"
                " (action_energy.conventions.Normalizer turns them back)",
            )
    gripper = model.gripper
    if gripper is not None and gripper.coding == "zero_one":
        negative = np.zeros(values.shape, bool)
        negative[..., gripper.index] = values[..., gripper.index] < -0.5
        if negative.any():
            raise _at(
                values,
                negative,
                model,
                field,
                "the gripper is not coded as 0 and 1",
                "0 (one way) to 1 (the other)",
                "action_energy.conventions.gripper turns one coding into the other",
            )


def _bounds(low: npt.NDArray[Any], high: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> str:
    dim = int(np.argwhere(where)[0][2])
    return f"{low[dim]:g} to {high[dim]:g}"


def _at(
    values: npt.NDArray[Any],
    where: npt.NDArray[np.bool_],
    model: ModelInfo,
    field: str,
    summary: str,
    wanted: str,
    mend: Optional[str],
) -> InvalidInput:
    n, h, a = (int(i) for i in np.argwhere(where)[0])
    place = f"{field}[{n}, {h}, {a}] (candidate {n}, step {h}, {model.dim_name(a)})"
    return InvalidInput(summary, field=place, found=f"{float(values[n, h, a]):g}", wanted=wanted, mend=mend)


class UnitsWatch:
    """Notices actions in robot units where normalised ones are wanted: metres and radians are far *below* 1, so no limit
    catches them. A robot may rest for a while; nobody's normalised actions stay this small for `REQUESTS` requests."""

    SMALL = 0.1
    REQUESTS = 64

    def __init__(self) -> None:
        self._small = 0

    def is_suspicious(self, values: npt.NDArray[Any], model: ModelInfo) -> bool:
        """True once, when all actions of the last `REQUESTS` requests were small. `values` [N, H, A]."""
        if model.units != "normalized_q99":
            return False
        dims = [dim for dim in range(values.shape[-1]) if model.gripper is None or dim != model.gripper.index]
        if not dims or np.abs(values[..., dims]).max() >= self.SMALL:
            self._small = 0
            return False
        self._small += 1
        return self._small == self.REQUESTS


def check_index(index: Optional[int], count: int, field: str) -> None:
    if index is not None and not 0 <= index < count:
        raise InvalidInput("no such candidate", field=field, found=str(index), wanted=f"0 to {count - 1}")


def check_choice(value: str, choices: Sequence[str], field: str) -> None:
    if value not in choices:
        raise InvalidInput("unknown", field=field, found=repr(value), wanted=", ".join(choices))
