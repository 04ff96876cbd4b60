"""Retries without a network: the plans, driven by hand."""

from __future__ import annotations

from typing import List, Optional, Tuple

import pytest

from action_energy import EnergyError, InvalidInput, Overloaded, Unavailable
from action_energy.plans import Call, Deadline, Pause, Retries, retried


def drive(
    failures: List[EnergyError],
    deadline: Optional[float] = None,
    retries: Optional[Retries] = None,
    **options: bool,
) -> Tuple[int, List[float]]:
    """Tries, and how long was waited before each but the first."""
    waits: List[float] = []
    tries = 0
    plan = retried(retries or Retries(), "/method", b"", Deadline(deadline), **options)
    step = next(plan)
    try:
        while True:
            if isinstance(step, Pause):
                waits.append(step.seconds)
                step = plan.send(None)
            else:
                assert isinstance(step, Call)
                tries += 1
                step = plan.throw(failures.pop(0)) if failures else plan.send(b"answer")
    except StopIteration as end:
        answered: bytes = end.value
        if answered != b"answer":
            raise AssertionError(answered) from end
    except EnergyError:
        failures.insert(0, InvalidInput("raised"))
    return tries, waits


def test_pushback_is_honoured_with_jitter() -> None:
    waits = [drive([Overloaded("full", retry_after=0.1)])[1][0] for _ in range(200)]
    assert all(0.1 <= wait <= 0.2 for wait in waits)
    assert max(waits) - min(waits) > 0.05


def test_a_broken_connection_backs_off() -> None:
    tries, waits = drive([Unavailable("gone")] * 3, retries=Retries(uniform=lambda _, high: high))
    assert tries == 4
    assert waits == [0.1, 0.2, 0.4]


def test_what_is_not_tried_again() -> None:
    for error in (InvalidInput("bad"), Overloaded("message too long")):
        failures: List[EnergyError] = [error]
        assert drive(failures) == (1, [])
        assert failures
    failures = [Unavailable("gone")]
    assert drive(failures, resend=False) == (1, [])
    assert failures


def test_waiting_stays_inside_the_deadline() -> None:
    failures: List[EnergyError] = [Overloaded("full", retry_after=5)]
    assert drive(failures, deadline=0.5) == (1, [])
    assert failures


def test_lasting_overload_is_not_multiplied() -> None:
    """The budget: 10 tokens, a tenth of a token back for a success."""
    retries = Retries()
    tries = sum(drive([Overloaded("full", retry_after=0.01)] * 9, retries=retries)[0] for _ in range(200))
    assert tries <= 200 + Retries.TOKENS
    for _ in range(100):
        retries.succeeded()
    assert drive([Overloaded("full", retry_after=0.01)], retries=retries)[0] == 2


def test_a_deadline_that_has_passed_is_not_sent() -> None:
    plan = retried(Retries(), "/method", b"", Deadline(1e-9))
    with pytest.raises(EnergyError, match="deadline"):
        next(plan)
