"""The rule `refine` for the fake: the server's descent, with gradients by finite differences of whatever energy there is."""

from __future__ import annotations

from typing import Callable, Sequence, Tuple

import numpy as np
import numpy.typing as npt

from action_energy._proto import selection_pb2

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Energies = Callable[[Floats], Sequence[float]]
"""[N, H, A] -> [N]."""

_TRIALS = np.array([1, 1 / 2, 1 / 4, 1 / 8])
_DIFFERENCE = 1e-3


def refine(
    energies: Energies, start: Floats, start_energy: float, units: Doubles, asked: selection_pb2.Refinement
) -> Tuple[Floats, selection_pb2.Refined]:
    """`start` [H, A] moved, and what came of it. `units` [A]: as the server has them; 0: a dim that does not move."""
    movable = [dim for dim in range(len(units)) if not asked.dims or dim in asked.dims]
    scale = np.zeros(start.shape)
    scale[:, movable] = units[movable]
    radius = (asked.trust_radius or 0.2) * scale
    chunk, energy = start.copy(), start_energy
    refined = selection_pb2.Refined(start_energy=start_energy, end=selection_pb2.Refined.STEPS)
    for _ in range(asked.steps or 3):
        downhill = -_gradient(energies, chunk) * scale
        length = np.sqrt(np.square(downhill[scale > 0]).mean()) if (scale > 0).any() else 0.0
        if length == 0:
            refined.end = selection_pb2.Refined.LOWEST
            break
        reach = (asked.step_length or 0.05) / length * downhill * scale
        moved = chunk + _TRIALS[:, None, None] * reach
        trials = np.clip(moved, start - radius, start + radius).astype(np.float32)
        found = np.asarray(energies(trials), np.float64)
        best = int(found.argmin())
        if not found[best] < energy:
            refined.end = selection_pb2.Refined.LOWEST
            break
        chunk, energy = trials[best], float(found[best])
        refined.steps_taken += 1
    refined.energy = energy
    moves = np.abs(chunk - start)[scale > 0] / scale[scale > 0]
    refined.displacement = float(moves.max(initial=0))
    return chunk, refined


def _gradient(energies: Energies, chunk: Floats) -> Doubles:
    """[H, A], all differences in one call."""
    pushes = (_DIFFERENCE * np.eye(chunk.size)).reshape(-1, *chunk.shape)
    both = np.concatenate([chunk + pushes, chunk - pushes]).astype(np.float32)
    up, down = np.asarray(energies(both), np.float64).reshape(2, *chunk.shape)
    slope: Doubles = (up - down) / (2 * _DIFFERENCE)
    return slope
