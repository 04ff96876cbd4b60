"""A robot's loop around `select` while everything goes wrong: no exception, the baseline marked, recovery within a second.

A second is counted in turns of the loop, each at least `PERIOD` long: a busy machine gives the connection as much more time as
it takes from the loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest

from action_energy import AsyncEnergyClient, EnergyClient, Selection, Unauthenticated, Unavailable
from action_energy.testing import ServerProcess, start_server

Example = Dict[str, Any]
PATIENCE = 30.0
PERIOD = 0.02
SECOND = round(1 / PERIOD)
"""Turns."""
QUIET = ["--quality-share", "0"]


class Loop:
    """A control loop in a thread, which keeps everything that it was given."""

    def __init__(
        self,
        client: EnergyClient,
        example: Example,
        *,
        kept: bool = False,
        period: float = PERIOD,
        **options: Any,
    ) -> None:
        """`kept`: all selections in one context that the server keeps. `period`: pause between two, seconds."""
        hidden, mask = example["hidden"][0], example["pad_mask"][0]
        seen: Dict[str, Any] = (
            {"hidden": client.context(hidden, mask=mask)} if kept else {"hidden": hidden, "mask": mask}
        )
        self.selections: List[Selection] = []
        self.raised: List[BaseException] = []
        self._begun = 0
        self._period = period
        self._ended = threading.Event()
        self._select: Callable[[], Selection] = lambda: client.select(
            candidates=example["candidates"][0], rule="energy", ungated=True, **seen, **options
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._baseline = example["candidates"][0][0]

    def _run(self) -> None:
        while not self._ended.is_set():
            self._begun += 1
            try:
                self.selections.append(self._select())
            except BaseException as error:
                self.raised.append(error)
                return
            self._ended.wait(self._period)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)
        assert not self.raised
        for selection in self.selections:
            assert selection.is_baseline == (selection.fallback != "none")
            if selection.error is not None:
                assert selection.is_baseline
                assert selection.fallback == selection.error.kind
            if selection.is_baseline:
                np.testing.assert_array_equal(selection.chunk, self._baseline)

    def wait(self, condition: Callable[[Selection], bool], what: str, within: float = np.inf) -> Selection:
        """The first selection that begins from now on and meets the condition, of the next `within`."""
        first, end = self._begun, time.monotonic() + PATIENCE
        seen = first
        while time.monotonic() < end and not self.raised:
            for selection in self.selections[seen:]:
                seen += 1
                if condition(selection):
                    return selection
                if seen - first >= within:
                    pytest.fail(f"not {what} in {within} turns; last: {selection}")
            time.sleep(0.002)
        pytest.fail(f"never {what}; raised {self.raised}; last: {self.selections[-1:]}")

    def fall_back(self, turns: int) -> None:
        """Waits for so many baselines for want of a server."""
        for _ in range(turns):
            self.wait(lambda s: isinstance(s.error, Unavailable), "unavailable")

    def recover(self, within: int = SECOND) -> None:
        """Fails unless one of the next `within` turns is answered by the server."""
        self.wait(scored, "scored again", within)


def scored(selection: Selection) -> bool:
    return selection.error is None and not selection.is_baseline


@pytest.mark.parametrize("kept", [False, True], ids=["inline", "kept"])
def test_a_server_that_is_restarted(example: Example, kept: bool) -> None:
    """After some seconds, which a backoff without a bound would take for many. It comes back without the contexts that it kept."""
    server = start_server(flags=QUIET)
    try:
        with (
            EnergyClient(server.address, deadline=PATIENCE) as client,
            Loop(client, example, kept=kept) as loop,
        ):
            loop.wait(scored, "scored")
            server.kill()
            loop.fall_back(SECOND)
            server = server.restarted().wait()
            loop.recover()
    finally:
        server.stop()


def test_a_server_that_drains_and_comes_back(example: Example) -> None:
    server = start_server(flags=QUIET)
    try:
        with EnergyClient(server.address, deadline=PATIENCE) as client, Loop(client, example) as loop:
            loop.wait(scored, "scored")
            assert server.stop() == 0
            loop.fall_back(1)
            server = server.restarted().wait()
            loop.recover()
    finally:
        server.stop()


def test_an_asyncio_loop_outlives_its_server(example: Example) -> None:
    async def until(
        client: AsyncEnergyClient, wanted: Callable[[Selection], bool], within: float = np.inf
    ) -> None:
        end, turns = time.monotonic() + PATIENCE, 0
        while turns < within and time.monotonic() < end:
            chosen = await client.select(
                example["hidden"][0],
                example["candidates"][0],
                mask=example["pad_mask"][0],
                rule="energy",
                ungated=True,
            )
            if wanted(chosen):
                return
            turns += 1
            await asyncio.sleep(PERIOD)
        pytest.fail(f"not in {turns} turns; last: {chosen}")

    async def talk(server: ServerProcess) -> ServerProcess:
        async with AsyncEnergyClient(server.address, deadline=PATIENCE) as client:
            await until(client, scored)
            server.kill()
            for _ in range(SECOND):
                await until(client, lambda selection: isinstance(selection.error, Unavailable))
                await asyncio.sleep(PERIOD)
            server = server.restarted()
            await asyncio.get_running_loop().run_in_executor(None, server.wait)
            await until(client, scored, within=SECOND)
        return server

    server = start_server(flags=QUIET)
    try:
        server = asyncio.run(talk(server))
    finally:
        server.stop()


def test_kept_contexts_that_are_evicted(example: Example) -> None:
    """Room for one context and a half: two loops take each other's place, and neither notices."""
    token = example["hidden"].shape[1]
    with (
        start_server(flags=[*QUIET, "--context-bytes", str(int(1.5 * 512 * token))]) as server,
        server.client(deadline=30.0) as client,
    ):
        expected = [
            client.rank(example["hidden"][i], example["candidates"][i], mask=example["pad_mask"][i])
            for i in (0, 1)
        ]
        contexts = [client.context(example["hidden"][i], mask=example["pad_mask"][i]) for i in (0, 1)]
        for turn in range(6):
            i = turn % 2
            ranking = contexts[i].rank(example["candidates"][i])
            np.testing.assert_allclose(ranking.energies, expected[i].energies, atol=1e-6)
            chosen = contexts[i].select(example["candidates"][i], rule="energy", ungated=True)
            assert chosen.error is None
            assert chosen.index == expected[i].best


def test_a_deadline_that_cannot_be_met(energy_server: ServerProcess, example: Example) -> None:
    with EnergyClient(energy_server.address, deadline=30) as client:
        client.model()
        with Loop(client, example, deadline=0.001) as loop:
            late = loop.wait(lambda s: s.fallback == "deadline", "late")
            assert late.is_baseline
        with Loop(client, example, deadline=30) as loop:
            loop.recover(within=1)


def test_a_first_call_with_no_time_does_not_break_later_ones(
    energy_server: ServerProcess, example: Example
) -> None:
    with EnergyClient(energy_server.address, deadline=0.001) as client:
        with Loop(client, example) as loop:
            loop.wait(lambda s: s.fallback == "deadline", "late")
        with Loop(client, example, deadline=30) as loop:
            loop.recover(within=1)


TOKENS = """tokens:
  - name: robot
    token: {token}
    permissions: [score]
"""


def test_a_token_that_is_revoked(bundles: Path, tmp_path: Path, example: Example) -> None:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(TOKENS.format(token="first-token-first-token"))
    held = ["first-token-first-token"]
    with (
        start_server(str(bundles), flags=[*QUIET, "--tokens-file", str(tokens)]) as server,
        EnergyClient(server.address, token=lambda: held[0], deadline=PATIENCE) as client,
        Loop(client, example) as loop,
    ):
        loop.wait(scored, "scored")
        tokens.write_text(TOKENS.format(token="other-token-other-token"))
        loop.wait(lambda s: isinstance(s.error, Unauthenticated), "refused")
        held[0] = "other-token-other-token"
        loop.recover(within=1)


def test_ten_times_the_load(example: Example) -> None:
    """Room for two and 20 loops without a pause: baselines, marked; a single loop is served again within a second."""
    refused = {"overload", "overloaded", "deadline"}
    with start_server(flags=[*QUIET, "--queue-items", "2", "--threads", "1"]) as server, ExitStack() as open_:
        clients = [open_.enter_context(EnergyClient(server.address, deadline=0.1)) for _ in range(20)]
        single = open_.enter_context(EnergyClient(server.address, deadline=PATIENCE))
        single.model()
        with ExitStack() as running:
            loops = [running.enter_context(Loop(client, example, period=0)) for client in clients]
            for loop in loops:
                loop.wait(lambda s: s.fallback in refused, "refused")
        with Loop(single, example) as loop:
            loop.recover()


def test_hidden_states_that_go_bad(energy_client: EnergyClient, example: Example) -> None:
    hidden = example["hidden"][0].copy()
    hidden[:] = np.nan
    chosen = energy_client.select(hidden, example["candidates"][0], baseline=3)
    assert chosen.is_baseline
    assert chosen.fallback == "invalid"
    assert chosen.index == 3
    np.testing.assert_array_equal(chosen.chunk, example["candidates"][0][3])
    with pytest.raises(ValueError, match="non-finite"):
        chosen.raise_for_error()
