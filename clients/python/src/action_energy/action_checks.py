"""Checks of candidate chunks against the model's card: shape, finite values, units, bounds, the gripper's coding."""

from __future__ import annotations

import math
from typing import Any, Collection, Optional

import numpy as np
import numpy.typing as npt

from action_energy.errors import InvalidInput, found_of
from action_energy.model import Gripper, ModelInfo

NORMALIZED_LIMIT = 5.0
"""As the server has it: normalised actions, even perturbed ones, stay below this magnitude."""

_NEAR = 0.05
"""Of one of the two values of a gripper, as a policy's continuous head puts them out."""


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
    low, high = float(values.min()), float(values.max())  # NaN where one is
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = np.isfinite(values)
        raise _at(values, ~finite, model, field, "non-finite action", "a finite value", None)
    if "actions" not in unchecked:
        _check_units(values, max(-low, high), model, field)


def _check_units(values: npt.NDArray[Any], largest: float, model: ModelInfo, field: str) -> None:
    """`largest`: of the magnitudes."""
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
    if model.units == "normalized_q99" and np.float32(largest) > NORMALIZED_LIMIT:
        raise _at(
            values,
            np.abs(single) > NORMALIZED_LIMIT,
            model,
            field,
            "does not look normalised",
            f"q01/q99-normalised values, within ±{NORMALIZED_LIMIT:g}",
            "Score the chunks that the policy puts out, before they are turned into robot units"
            " (action_energy.conventions.Normalizer turns them back)",
        )
    if model.gripper is not None and largest > 0:  # a warm-up with zeros codes nothing
        _check_gripper(single, model.gripper, model, field)


def _check_gripper(values: npt.NDArray[Any], gripper: Gripper, model: ModelInfo, field: str) -> None:
    """Whether a two-valued gripper has the other coding: -1 where 0 is wanted; or nothing but 0 and 1 where 0 lies between both."""
    states = values[..., gripper.index]
    wrong = np.zeros(values.shape, bool)
    if gripper.coding == "zero_one" and states.min() < -0.5:
        wrong[..., gripper.index] = states < -0.5
        summary, wanted = "the gripper is not coded as 0 and 1", "0 (one way) to 1 (the other)"
    elif gripper.coding == "minus_one_one" and states.min() > -_NEAR:
        middle = np.abs(states) < _NEAR
        if not middle.any() or not (middle | (np.abs(states - 1) < _NEAR)).all():
            return
        wrong[..., gripper.index] = middle
        summary, wanted = "the gripper looks coded as 0 and 1", "-1 (one way) and 1 (the other)"
    else:
        return
    raise _at(
        values,
        wrong,
        model,
        field,
        summary,
        wanted,
        "action_energy.conventions.gripper turns one coding into the other. If it is right: unchecked=('actions',)",
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
        gripper = model.gripper
        moves = values if gripper is None else np.delete(values, gripper.index, axis=-1)
        if moves.size == 0 or max(-float(moves.min()), float(moves.max())) >= self.SMALL:
            self._small = 0
            return False
        self._small += 1
        return self._small == self.REQUESTS
