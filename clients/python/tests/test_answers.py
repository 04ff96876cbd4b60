"""The bookkeeping of a stream, without one."""

from __future__ import annotations

from typing import List

import numpy as np
import pytest

from action_energy import NotFound, Unavailable
from action_energy._proto import energy_pb2, status_pb2
from action_energy.answers import Answers
from action_energy.contexts import ContextHandle
from action_energy.requests import ContextInput, ScoreRequest, candidates_input, score_options

CONTEXT = ContextInput((b"",), 2)


@pytest.fixture
def request_() -> ScoreRequest:
    return ScoreRequest(candidates_input(np.zeros((1, 8, 7)), None), score_options(1))


def ask(answers: Answers, request: ScoreRequest, supersede: bool = True, handle: ContextHandle = None) -> int:  # type: ignore[assignment]
    return answers.ask(CONTEXT.parts, request, "", handle, supersede, 0)


def written(answers: Answers) -> List[int]:
    ids = []
    while answers.unsent:
        ids.append(energy_pb2.ScoreActionsStreamRequest.FromString(answers.take()).request_id)
    return ids


def scored(request_id: int, context_id: str = "") -> bytes:
    response = energy_pb2.ScoreActionsResponse(energies=[float(request_id)])
    if context_id:
        response.context.context_id = context_id
    return energy_pb2.ScoreActionsStreamResponse(request_id=request_id, response=response).SerializeToString()


def test_what_was_not_even_written_is_superseded(request_: ScoreRequest) -> None:
    answers = Answers()
    ask(answers, request_)
    kept = ask(answers, request_, supersede=False)
    ask(answers, request_)
    newest = ask(answers, request_)
    assert answers.outstanding == 2
    assert written(answers) == [kept, newest]


def test_a_late_answer_does_not_replace_a_newer_one(request_: ScoreRequest) -> None:
    answers = Answers()
    old, new = ask(answers, request_, supersede=False), ask(answers, request_, supersede=False)
    written(answers)
    answers.settle(scored(new))
    answers.settle(scored(old))
    assert answers.newest is not None
    assert answers.newest.request_id == new
    assert answers.settle(scored(old)) is None  # answered twice
    assert answers.settle(scored(99)) is None  # never asked
    assert answers.outstanding == 0


def test_errors_and_lost_contexts(request_: ScoreRequest) -> None:
    answers, handle = Answers(), ContextHandle(CONTEXT, "", 0, "key")
    first = ask(answers, request_, handle=handle)
    written(answers)
    answers.settle(scored(first, "abc"))
    assert handle.id == "abc"
    second = ask(answers, request_, handle=handle)
    written(answers)
    error = energy_pb2.ScoreActionsStreamResponse(
        request_id=second, error=status_pb2.Status(code=5, message="gone")
    )
    lost = answers.settle(error.SerializeToString())
    assert lost is not None
    assert isinstance(lost.error, NotFound)
    assert handle.id is None
    ask(answers, request_)
    written(answers)
    (broken,) = answers.broke(Unavailable("gone"))
    assert broken.ranking is None
    assert isinstance(answers.error, Unavailable)
    assert answers.newest is not None  # the old one stays
