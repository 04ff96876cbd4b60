from __future__ import annotations

import numpy as np
import pytest

from action_energy import EnergyClient, InvalidInput
from action_energy._proto import energy_pb2, tensor_pb2
from action_energy.requests import joined, nested, varint
from action_energy.testing import FakeServer


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**21, 2**35])
def test_varints(value: int) -> None:
    assert energy_pb2.KeptContext.FromString(b"\x10" + varint(value)).bytes == value


def test_messages_written_by_hand_are_those_of_protobuf(rng: np.random.Generator) -> None:
    hidden = rng.normal(size=(24, 64)).astype(np.float32)
    chunks = rng.uniform(-1, 1, (4, 8, 7)).astype(np.float32)
    mask = np.arange(24) >= 20
    fake = FakeServer()
    with EnergyClient(transport=fake) as client:
        client.rank(hidden, chunks, mask=mask, baseline=2, tau=0.25, pool=[1.0] * 8, top_k=3, episode_step=5)
    method, message = fake.requests[-1]
    assert method == "ScoreActions"
    expected = energy_pb2.ScoreActionsRequest(
        inline=energy_pb2.InlineContext(
            hidden=tensor_pb2.Tensor(
                dtype=tensor_pb2.Tensor.FLOAT32, shape=[20, 64], data=hidden[:20].tobytes()
            )
        ),
        candidates=tensor_pb2.Tensor(dtype=tensor_pb2.Tensor.FLOAT32, shape=[4, 8, 7], data=chunks.tobytes()),
        options=energy_pb2.ScoreOptions(
            pool=energy_pb2.Pool(weighted=energy_pb2.Pool.Weighted(weights=[1.0] * 8)),
            tau=0.25,
            score=energy_pb2.READOUT,
            top_k=3,
            baseline_index=2,
            episode_step=5,
        ),
    )
    assert message == expected


def test_nested_lengths() -> None:
    assert joined(nested(1, [b"ab", memoryview(b"c")])) == b"\x0a\x03abc"


@pytest.mark.parametrize(
    "options",
    [
        {"baseline": 4},
        {"executed": -1},
        {"executed": 0, "expert": 1},
        {"score": "energy"},
        {"pool": "median"},
    ],
)
def test_options_are_checked(options: dict, rng: np.random.Generator) -> None:
    fake = FakeServer()
    with EnergyClient(transport=fake) as client, pytest.raises(InvalidInput) as caught:
        client.rank(rng.normal(size=(24, 64)).astype(np.float32), np.zeros((4, 8, 7)), **options)
    assert caught.value.field in options
    assert [method for method, _ in fake.requests] == ["GetModel"]
