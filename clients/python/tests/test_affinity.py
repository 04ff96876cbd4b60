"""`x-affinity-key` as it arrives at gRPC servers: what deploy/kubernetes/components/proxy/envoy.yaml hashes."""

from __future__ import annotations

import asyncio
from concurrent import futures
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

import grpc
import numpy as np
import pytest

from action_energy import AsyncEnergyClient, EnergyClient, InvalidInput, NotFound
from action_energy.affinity import AFFINITY_HEADER
from action_energy.testing import FakeServer

HIDDEN = np.random.default_rng(0).normal(size=(24, 64)).astype(np.float32)
CHUNKS = np.random.default_rng(1).uniform(-1, 1, (3, 8, 7))


class Front:
    """The fake behind a real gRPC server, which keeps (method, key) of every call."""

    def __init__(self) -> None:
        self.fake = FakeServer()
        self.seen: List[Tuple[str, Optional[str]]] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((self,))  # type: ignore[arg-type]
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]
        metadata = dict(details.invocation_metadata)
        self.seen.append((method, metadata.get(AFFINITY_HEADER)))
        if method.endswith("Stream"):
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: (self.fake.answer_on_stream(each) for each in requests)
            )

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return self.fake.call(details.method, request, None)
            except NotFound as error:
                context.abort(grpc.StatusCode.NOT_FOUND, str(error))
                raise AssertionError("abort raises") from error

        return grpc.unary_unary_rpc_method_handler(answer)

    def keys(self, *methods: str) -> List[Optional[str]]:
        return [key for method, key in self.seen if method in methods]

    def stop(self) -> None:
        self._server.stop(0).wait(10)


@pytest.fixture
def front() -> Iterator[Front]:
    front = Front()
    yield front
    front.stop()


USES = ("ScoreActions", "SelectAction", "DropContext")


def test_calls_on_one_context_share_a_key_that_no_other_has(front: Front) -> None:
    with EnergyClient(front.address, deadline=30) as client:
        for _ in range(2):
            with client.context(HIDDEN) as context:
                context.rank(CHUNKS)
                context.select(CHUNKS)
                front.fake.lose_contexts()
                context.rank(CHUNKS)  # sent again, where its key leads
        client.rank(HIDDEN, CHUNKS)
    keys = front.keys(*USES)
    first, second = keys[:5], keys[5:10]  # rank, select, rank that misses, rank, drop
    assert set(first) == {first[0]}
    assert set(second) == {second[0]}
    assert first[0] is not None
    assert first[0] != second[0]
    assert keys[10:] == [None]  # nothing is kept: any server may take it
    assert front.keys("GetModel") == [None]


def test_an_outcome_follows_its_decision(front: Front) -> None:
    with EnergyClient(front.address, deadline=30) as client:
        chosen = [client.select(HIDDEN, CHUNKS, rule="energy") for _ in range(2)]
        for each in chosen[::-1]:
            client.report_outcome(each, success=True)
    decided = front.keys("SelectAction")
    assert len(set(decided)) == 2
    assert None not in decided
    assert front.keys("ReportOutcome") == decided[::-1]


def test_a_robot_may_have_one_key_for_all(front: Front) -> None:
    with EnergyClient(front.address, deadline=30, affinity="robot-7") as client:
        with client.context(HIDDEN) as context:
            chosen = context.select(CHUNKS, rule="energy")
        client.rank(HIDDEN, CHUNKS)
        client.report_outcome(chosen.request_id, success=True, whole_episode=True)
        with client.stream() as stream:
            asked = stream.submit(HIDDEN, CHUNKS)
            assert stream.latest(wait=30, newer_than=asked - 1) is not None
    assert set(front.keys(*USES, "ReportOutcome", "ScoreActionsStream")) == {"robot-7"}


def test_a_stream_that_comes_back_keeps_its_key(front: Front) -> None:
    with EnergyClient(front.address, deadline=30) as client, client.stream() as stream:
        asked = stream.submit(HIDDEN, CHUNKS)
        assert stream.latest(wait=30, newer_than=asked - 1) is not None
        stream._cancel()
        asked = stream.submit(HIDDEN, CHUNKS, supersede=False)
        while stream.latest(wait=1, newer_than=asked - 1).request_id < asked:  # type: ignore[union-attr]
            asked = stream.submit(HIDDEN, CHUNKS, supersede=False)
    keys = front.keys("ScoreActionsStream")
    assert len(keys) >= 2
    assert len(set(keys)) == 1
    assert keys[0] is not None


def test_asyncio_sends_the_same(front: Front) -> None:
    async def talk() -> None:
        async with AsyncEnergyClient(front.address, deadline=30) as client:
            async with await client.context(HIDDEN) as context:
                await context.rank(CHUNKS)
                chosen = await context.select(CHUNKS, rule="energy")
            await client.report_outcome(chosen, success=True)
            async with client.stream() as stream:
                asked = await stream.submit(HIDDEN, CHUNKS)
                assert await stream.latest(wait=30, newer_than=asked - 1)

    asyncio.run(talk())
    keys = front.keys(*USES, "ReportOutcome")
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert front.keys("ScoreActionsStream") != [None]


@pytest.mark.parametrize("key", ["", "a b", "line\nfeed", "r" * 129, "ä"])
def test_keys_that_no_header_can_hold(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        EnergyClient(affinity=key)
    assert caught.value.field == "affinity"


def test_the_header_is_the_one_that_the_proxy_hashes() -> None:
    root = Path(__file__).resolve().parents[3]
    proxy = (root / "deploy/kubernetes/components/proxy/envoy.yaml").read_text()
    assert f"header_name: {AFFINITY_HEADER}" in proxy
