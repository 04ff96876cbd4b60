"""Shards in the data layout of `calibrate` and `train` (docs/calibration.md): safetensors, written as rows come.

A safetensors file begins with its header, which says where each tensor lies. Room for it is left at the front, hidden
states are written as they come, the small columns and the header at the end; only then the file gets its name. So a shard
is there whole or not at all, however its writer ends, and no row but the present one is in memory.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Mapping, Optional, Tuple

import numpy as np
import numpy.typing as npt

from action_energy.arrays import ArrayLike, WireArray, bool_array, squeeze_batch, wire_array
from action_energy.checks import check_index
from action_energy.errors import InvalidInput, found_of

PART_SUFFIX = ".part"
_HEADER_BYTES = 4096
_SAFETENSORS = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
_NUMBERS = {"<f4": "F32", "<i8": "I64"}


def visible_tokens(hidden: ArrayLike, mask: Optional[ArrayLike]) -> WireArray:
    """[tokens, D] without the masked ones; [D] of a global_context model stays. Errors: `InvalidInput`."""
    wire = wire_array(hidden, "hidden")
    if wire.data.ndim == 1:
        return wire
    data = squeeze_batch(wire.data, 2, "hidden")
    if data.ndim != 2 or data.shape[0] < 1:
        raise InvalidInput(
            "not a context", field="hidden", found=found_of(data.shape), wanted="[S, D] or [D]"
        )
    if mask is None:
        return WireArray(wire.dtype, data)
    keep = ~squeeze_batch(bool_array(mask, "mask"), 1, "mask")
    if keep.shape != data.shape[:1] or not keep.any():
        raise InvalidInput(
            "does not fit the context",
            field="mask",
            found=f"{found_of(keep.shape)}, {int(keep.sum())} visible",
            wanted=f"[{data.shape[0]}], at least one False (visible)",
        )
    return WireArray(wire.dtype, data[keep])


class ShardWriter:
    """One shard. Every row has the same columns, of the same shapes. Errors: `InvalidInput`; `OSError` of the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._part = path.with_name(f"{path.name}.{os.getpid()}{PART_SUFFIX}")
        self._file: BinaryIO = open(self._part, "xb")  # noqa: SIM115  until finish() or abandon()
        self._file.seek(8 + _HEADER_BYTES)
        self._dtype = ""
        self._width: Tuple[int, ...] = ()
        self._offsets: List[int] = [0]
        self._columns: Dict[str, List[npt.NDArray[Any]]] = {}
        self.bytes = 8 + _HEADER_BYTES

    def write(self, hidden: WireArray, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """`hidden` [tokens, D] (ragged) or [D]; `columns` name to one row: float32 or int64, any shape."""
        width = hidden.shape[-1:] if hidden.data.ndim == 2 else (0, *hidden.shape)
        shapes = {name: row.shape for name, row in columns.items()}
        if self.rows == 0:
            self._dtype, self._width = hidden.dtype, width
        first = {name: rows[0].shape for name, rows in self._columns.items()}
        if (self.rows and shapes != first) or (hidden.dtype, width) != (self._dtype, self._width):
            raise InvalidInput(
                "differs from the rows before",
                field="row",
                found=f"{hidden.dtype} {found_of(hidden.shape)}, {_described(shapes)}",
                wanted=f"{self._dtype}, width {self._width[-1]}, {_described(first)}",
                mend="One recording has one number of candidates and one chunk length",
            )
        self._file.write(hidden.buffer())
        for name, row in columns.items():
            self._columns.setdefault(name, []).append(row)
        self._offsets.append(self._offsets[-1] + (hidden.shape[0] if hidden.data.ndim == 2 else 1))
        self.rows += 1
        self.bytes += hidden.data.nbytes + sum(row.nbytes for row in columns.values())

    def finish(self, columns: Optional[Mapping[str, npt.NDArray[Any]]] = None) -> Optional[Path]:
        """The finished shard; None without rows. `columns`: more of them, one value a row."""
        if self.rows == 0:
            self.abandon()
            return None
        tokens = self._offsets[-1]
        ragged = self._width[0] != 0
        hidden_shape = (tokens, *self._width) if ragged else (tokens, *self._width[1:])
        end = self._file.tell() - 8 - _HEADER_BYTES
        header: Dict[str, Any] = {
            "hidden": {"dtype": _SAFETENSORS[self._dtype], "shape": hidden_shape, "data_offsets": [0, end]}
        }
        stacked = {name: np.stack(rows) for name, rows in self._columns.items()}
        if ragged:
            stacked["offsets"] = np.array(self._offsets, np.int64)
        for name, column in {**stacked, **(columns or {})}.items():
            little = np.ascontiguousarray(column, column.dtype.newbyteorder("<"))
            self._file.write(memoryview(little.reshape(-1)).cast("B"))  # type: ignore[arg-type]  # NumPy before 2.1
            place = [end, end + little.nbytes]
            header[name] = {"dtype": _NUMBERS[little.dtype.str], "shape": little.shape, "data_offsets": place}
            end = place[1]
        text = json.dumps(header).encode().ljust(_HEADER_BYTES)
        if len(text) > _HEADER_BYTES:
            raise InvalidInput("too many columns", field="columns", found=str(len(header)))
        self._file.seek(0)
        self._file.write(_HEADER_BYTES.to_bytes(8, "little") + text)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self.path)
        _sync_folder(self.path.parent)
        self.bytes = self.path.stat().st_size
        return self.path

    def abandon(self) -> None:
        """Leaves nothing behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def float_row(value: ArrayLike, field: str, axes: int) -> npt.NDArray[np.float32]:
    """A row of actions as float32, a copy."""
    row = wire_array(value, field, narrow=True).values()
    if row.ndim == axes + 1 and row.shape[0] == 1:
        row = row[0]
    if row.ndim != axes:
        raise InvalidInput("does not fit", field=field, found=found_of(row.shape), wanted=f"{axes} axes")
    return np.array(row, np.float32)


def own_first(rows: npt.NDArray[np.float32], baseline: int) -> npt.NDArray[np.float32]:
    """`rows` [N, ...] with number `baseline` first and the others in their order."""
    check_index(baseline, len(rows), "baseline")
    return np.concatenate([rows[baseline : baseline + 1], rows[:baseline], rows[baseline + 1 :]])


def remove_stale_parts(folder: Path) -> int:
    """Parts whose writer is gone, and how many there were."""
    removed = 0
    for part in folder.glob(f"*{PART_SUFFIX}"):
        pid = part.name[: -len(PART_SUFFIX)].rpartition(".")[2]
        if not pid.isdigit() or not _is_alive(int(pid)):
            part.unlink(missing_ok=True)
            removed += 1
    return removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _sync_folder(folder: Path) -> None:
    """So that the new name is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _described(shapes: Mapping[str, Tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {found_of(shape)}" for name, shape in sorted(shapes.items()))
