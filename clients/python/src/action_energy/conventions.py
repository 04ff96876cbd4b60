"""Transforms between the conventions that policies, robots and energy models have. Wrong ones give confident nonsense, so
each is written once, is exact about its direction, and has its inverse.

    to_model = Normalizer.from_statistics("dataset_statistics.json", "libero_spatial")
    candidates = to_model.normalize(robot_chunks)            # what the energy model was trained on
    chunk = to_model.denormalize(choice.chunk)               # what the robot executes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Union

import numpy as np
import numpy.typing as npt

from action_energy.arrays import ArrayLike, host_array
from action_energy.checks import check_choice
from action_energy.errors import InvalidInput, found_of

Floats = npt.NDArray[np.floating[Any]]

GRIPPERS: Dict[str, Sequence[float]] = {
    # (value of an open gripper, value of a closed one)
    "open_one": (1.0, 0.0),  # BridgeData, RLDS as OpenVLA trains on it
    "closed_one": (0.0, 1.0),  # DROID
    "libero": (-1.0, 1.0),  # LIBERO and robosuite environments, and openpi's LIBERO policies
    "open_plus": (1.0, -1.0),  # the reverse of libero
}


def gripper(chunks: ArrayLike, index: int, source: str, target: str, *, binarize: bool = False) -> Floats:
    """`chunks` [..., A] with dim `index` turned from one coding into another (a key of `GRIPPERS`); the rest as it is.

    Linear, so values between open and closed stay between. `binarize`: to the nearer of the two, for robots that take
    nothing else; open wins a tie.
    """
    check_choice(source, tuple(GRIPPERS), "source")
    check_choice(target, tuple(GRIPPERS), "target")
    array = _floats(chunks, "chunks")
    if not -array.shape[-1] <= index < array.shape[-1]:
        raise InvalidInput("no such dim", field="index", found=str(index), wanted=f"below {array.shape[-1]}")
    (source_open, source_closed), (open_, closed) = GRIPPERS[source], GRIPPERS[target]
    share = (array[..., index] - source_open) / (source_closed - source_open)  # 0 open, 1 closed
    if binarize:
        share = (share > 0.5).astype(array.dtype)
    out = array.copy()
    out[..., index] = open_ + share * (closed - open_)
    return out


@dataclass(frozen=True)
class Normalizer:
    """q01/q99 normalisation: `low` to -1, `high` to 1 in each dim where `mask` is True; other dims (the gripper, usually) stay
    as they are.

    `clip`: cut to [-1, 1], as OpenVLA's training does; the inverse then holds inside [low, high] only. A dim whose low and
    high are equal has no scale: it is normalised to 0, as in training, and denormalised to its low.
    """

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    mask: npt.NDArray[np.bool_]
    clip: bool = False

    @staticmethod
    def of(
        low: ArrayLike, high: ArrayLike, mask: Optional[ArrayLike] = None, *, clip: bool = False
    ) -> Normalizer:
        """Errors: `InvalidInput` for lengths that differ, values that are not finite, and lows above highs."""
        lows = np.array(host_array(low, "low"), np.float64)
        highs = np.array(host_array(high, "high"), np.float64)
        used = np.ones(lows.shape, bool) if mask is None else np.array(host_array(mask, "mask"), bool)
        if lows.ndim != 1 or lows.shape != highs.shape or used.shape != lows.shape:
            raise InvalidInput(
                "lengths differ",
                field="low",
                found=f"{found_of(lows.shape)}, {found_of(highs.shape)}",
                wanted="[A] each",
            )
        wrong = ~(np.isfinite(lows) & np.isfinite(highs) & (lows <= highs))
        if wrong[used].any():
            dim = int(np.flatnonzero(wrong & used)[0])
            raise InvalidInput(
                "no range", field=f"low[{dim}]", found=f"{lows[dim]} to {highs[dim]}", wanted="low <= high"
            )
        return Normalizer(lows, highs, used, clip)

    @staticmethod
    def from_statistics(
        statistics: Union[str, Path, Dict[str, Any]],
        dataset: Optional[str] = None,
        *,
        key: str = "action",
        clip: bool = False,
    ) -> Normalizer:
        """From a `dataset_statistics.json` (OpenVLA, LIBERO: `{dataset: {"action": {"q01", "q99", "mask"}}}`) or an openpi
        `norm_stats.json` (`{"norm_stats": {"actions": {"q01", "q99"}}}`, where every dim is normalised). `dataset`: which,
        where the file has several. Errors: `InvalidInput` naming what is missing and what is there."""
        table: Any = statistics
        if not isinstance(statistics, dict):
            try:
                table = json.loads(Path(statistics).read_text())
            except (OSError, ValueError) as cause:
                raise InvalidInput(
                    "cannot be read", field=str(statistics), found=str(cause), wanted="JSON"
                ) from cause
        if "norm_stats" in table:
            table, key = table["norm_stats"], "actions" if key == "action" else key
        elif not ("q01" in table.get(key, {}) if isinstance(table.get(key), dict) else False):
            names = [name for name, value in table.items() if isinstance(value, dict) and key in value]
            if dataset is None and len(names) != 1:
                raise InvalidInput(
                    "which data set?",
                    field="dataset",
                    found="none",
                    wanted=", ".join(names) or f"one with {key}",
                )
            table = _entry(table, dataset or names[0], "dataset")
        entry = _entry(table, key, "key")
        return Normalizer.of(
            _entry(entry, "q01", key), _entry(entry, "q99", key), entry.get("mask"), clip=clip
        )

    def normalize(self, chunks: ArrayLike) -> Floats:
        """Robot units [..., A] to the model's. float32 stays float32; worked out in float64."""
        array = self._checked(chunks)
        span = self.high - self.low
        flat = span == 0
        scaled = 2 * (array.astype(np.float64) - self.low) / np.where(flat, 1, span) - 1
        scaled = np.where(flat, 0, scaled)
        if self.clip:
            scaled = np.clip(scaled, -1, 1)
        return np.where(self.mask, scaled, array).astype(array.dtype)

    def denormalize(self, chunks: ArrayLike) -> Floats:
        """The model's units [..., A] to the robot's."""
        array = self._checked(chunks)
        robot = (array.astype(np.float64) + 1) / 2 * (self.high - self.low) + self.low
        return np.where(self.mask, robot, array).astype(array.dtype)

    def _checked(self, chunks: ArrayLike) -> Floats:
        array = _floats(chunks, "chunks")
        if array.ndim < 1 or array.shape[-1] != self.low.size:
            raise InvalidInput(
                "does not fit", field="chunks", found=found_of(array.shape), wanted=f"[..., {self.low.size}]"
            )
        return array


def _entry(table: Any, name: str, field: str) -> Any:
    if not isinstance(table, dict) or name not in table:
        there = ", ".join(table) if isinstance(table, dict) else type(table).__name__
        raise InvalidInput(f"no {name}", field=field, found=there, wanted=name)
    return table[name]


def _floats(value: ArrayLike, field: str) -> Floats:
    array = host_array(value, field)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
