"""Records what a policy server saw, proposed and executed, as data for `action-energy calibrate` and `train`.

recorder = Recorder("recordings", max_bytes=20 << 30)
episode = recorder.new_episode()
recorder.row(hidden, choice.chunk, mask=mask, candidates=candidates, episode=episode, step=t)
recorder.end_episode(episode, success=True)
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set

import numpy as np
import numpy.typing as npt

from action_energy.arrays import ArrayLike, WireArray
from action_energy.errors import InvalidInput, found_of
from action_energy.shards import ShardWriter, float_row, own_first, remove_stale_parts, visible_tokens

log = logging.getLogger("action_energy.record")


@dataclass(frozen=True)
class _Row:
    episode: int
    hidden: WireArray
    columns: Dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _End:
    episode: int
    outcome: Optional[float]
    keep: bool


class Recorder:
    """Writes shards into `folder` on a thread of its own; safe to use from several threads.

    An episode is kept whole or not at all: it appears when `end_episode` is called, and is gone when the process dies
    before. `max_bytes`: the oldest shards are removed beyond it. `shard_bytes`: a longer episode becomes several shards.
    `outcomes`: every episode ends with one; False leaves the column out. `queue_rows`: rows that may wait for the disk;
    more are left out and counted in `dropped`, for a robot does not wait for a disk. `error`: what ended the recording, such
    as a full disk; rows after it are dropped.
    """

    def __init__(
        self,
        folder: str,
        *,
        max_bytes: int = 10 << 30,
        shard_bytes: int = 256 << 20,
        outcomes: bool = True,
        queue_rows: int = 16,
    ) -> None:
        if shard_bytes < 1 or max_bytes < 2 * shard_bytes:
            raise InvalidInput(
                "no room",
                field="max_bytes",
                found=f"{max_bytes}",
                wanted=f"at least two shards of {shard_bytes} bytes",
            )
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_stale_parts(self.folder)
        self.rows = 0
        """Rows that were taken."""
        self.dropped = 0
        self.error: Optional[Exception] = None
        self._max_bytes, self._shard_bytes, self._outcomes = max_bytes, shard_bytes, outcomes
        self._queue: queue.Queue[Optional[Callable[[], None]]] = queue.Queue(queue_rows)
        self._episodes: Dict[int, List[ShardWriter]] = {}
        self._given_up: Set[int] = set()
        self._written = 0
        self._layout: Optional[Dict[str, Any]] = None
        self._thread = threading.Thread(target=self._run, name="action-energy-record", daemon=True)
        self._thread.start()

    @staticmethod
    def new_episode() -> int:
        """An id that no other episode has: milliseconds and chance, below 2^53."""
        return (time.time_ns() // 1_000_000 << 11 | random.getrandbits(11)) & (1 << 53) - 1

    def row(
        self,
        hidden: ArrayLike,
        chunk: ArrayLike,
        *,
        episode: int,
        mask: Optional[ArrayLike] = None,
        candidates: Optional[ArrayLike] = None,
        baseline: int = 0,
        task: int = 0,
        step: int = 0,
    ) -> bool:
        """One decision. `hidden` [S, D] with `mask` (masked tokens are not kept) or [D]; `chunk` [H, A] what is executed, in the
        units of the model card; `candidates` [N, H, A], the same N in every row, of which number `baseline` is the policy's own
        choice: it comes first in the data.
        Copies what it keeps. False: dropped. Errors: `InvalidInput` for what is no row at all."""
        wire = visible_tokens(hidden, mask)
        columns: Dict[str, npt.NDArray[Any]] = {
            "actions": float_row(chunk, "chunk", 2),
            "task_id": np.array(task, np.int64),
            "episode_id": np.array(episode, np.int64),
            "step": np.array(step, np.int64),
        }
        if candidates is not None:
            columns["candidates"] = own_first(float_row(candidates, "candidates", 3), baseline)
        self._check_layout(wire, columns)
        if self.error is not None:
            self.dropped += 1
            return False
        row = _Row(episode, WireArray(wire.dtype, wire.data.copy()), columns)
        try:
            self._queue.put_nowait(lambda: self._write(row))
        except queue.Full:
            self.dropped += 1
            return False
        self.rows += 1
        return True

    def _check_layout(self, hidden: WireArray, columns: Dict[str, npt.NDArray[Any]]) -> None:
        """Shards of one recording have the same columns, of the same sizes."""
        layout: Dict[str, Any] = {"hidden": f"{hidden.dtype} of width {hidden.shape[-1]}"}
        layout.update((name, found_of(column.shape)) for name, column in columns.items())
        if self._layout is None:
            self._layout = layout
        for name in sorted({*layout, *self._layout}):
            found, wanted = layout.get(name), self._layout.get(name)
            if found != wanted:
                raise InvalidInput(
                    "differs from the rows before",
                    field=name,
                    found=found or "none",
                    wanted=wanted or "none",
                    mend="One recording has one layout: the same number of candidates in every row",
                )

    def end_episode(self, episode: int, success: Optional[float] = None) -> None:
        """Keeps the episode. `success`: bool, or from 0 to 1; the outcome of each of its rows."""
        if (success is None) == self._outcomes:
            raise InvalidInput(
                "an outcome for every episode, or for none",
                field="success",
                found=str(success),
                wanted="a number from 0 to 1" if self._outcomes else "None (the recorder has outcomes=False)",
            )
        if success is not None and not 0 <= float(success) <= 1:
            raise InvalidInput("no outcome", field="success", found=str(success), wanted="0 to 1")
        end = _End(episode, None if success is None else float(success), keep=True)
        self._queue.put(lambda: self._end(end))

    def discard_episode(self, episode: int) -> None:
        """Forgets it: an operator took over, the scene was wrong."""
        self._queue.put(lambda: self._end(_End(episode, None, keep=False)))

    def flush(self) -> None:
        """Until everything up to now is on the disk."""
        done = threading.Event()
        self._queue.put(done.set)
        done.wait()

    def close(self) -> None:
        """Episodes that have not ended are not kept."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- on the writing thread

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                break
            try:
                job()
            except Exception as error:
                if self.error is None:
                    log.error("recording into %s ends: %s", self.folder, error)
                self.error = error
        for writers in self._episodes.values():
            for writer in writers:
                writer.abandon()

    def _write(self, row: _Row) -> None:
        if self.error is not None:
            self.dropped += 1
            return
        writers = self._episodes.get(row.episode, [])
        if not writers or writers[-1].bytes >= self._shard_bytes:
            self._make_room()
            if row.episode not in self._given_up:
                self._written += 1
                name = f"{time.time_ns():020d}-{self._written:06d}.safetensors"
                writers = self._episodes.setdefault(row.episode, [])
                writers.append(ShardWriter(self.folder / name))
        if row.episode in self._given_up:
            self.dropped += 1
            return
        writers[-1].write(row.hidden, row.columns)

    def _end(self, end: _End) -> None:
        self._given_up.discard(end.episode)
        for writer in self._episodes.pop(end.episode, []):
            if not end.keep or self.error is not None:
                writer.abandon()
                continue
            extra = {} if end.outcome is None else {"outcome": np.full(writer.rows, end.outcome, np.float32)}
            writer.finish(extra)
        self._make_room()

    def _make_room(self) -> None:
        """Oldest first. Parts under way count, too; one more shard always fits."""
        under_way = sum(writer.bytes for writers in self._episodes.values() for writer in writers)
        shards = sorted(self.folder.glob("*.safetensors"))
        sizes = [shard.stat().st_size for shard in shards]
        total = sum(sizes) + under_way
        for shard, size in zip(shards, sizes):
            if total + self._shard_bytes <= self._max_bytes:
                return
            shard.unlink(missing_ok=True)
            total -= size
        if total + self._shard_bytes > self._max_bytes and self._episodes:
            oldest = next(iter(self._episodes))
            log.warning("episode %d does not fit into max_bytes and is given up", oldest)
            self._end(_End(oldest, None, keep=False))
            self._given_up.add(oldest)
