"""OpenVLA-OFT's wrapper, on its HTTP wire, with json_numpy from PyPI."""

from __future__ import annotations

import json
import threading
import urllib.request
from typing import Any, Callable, Dict, Tuple

import numpy as np
import pytest
from sampled_policy import HIDDEN, SCALE, A, H, S, Sampler

from action_energy import EnergyClient, Unavailable
from action_energy.integrations import openvla
from action_energy.integrations.choosing import Proposal
from action_energy.testing import FakeServer


class OpenVla(Sampler):
    """A deterministic policy with candidates from early layers, as the energy fork's predict_action gives them."""

    def sample(self, observation: Dict[str, Any]) -> Tuple[Any, Callable[[], Proposal]]:
        assert observation["full_image"].dtype == np.uint8
        self.calls = 0
        own = self.next()

        def propose() -> Proposal:
            layers = [self.next() / SCALE for _ in range(5)]
            mask = np.arange(S) >= S - 4
            return Proposal(HIDDEN, np.stack([own / SCALE, *layers]), mask)

        return own, propose


def test_openvla_on_its_wire(client: EnergyClient, fake: FakeServer) -> None:
    json_numpy = pytest.importorskip("json_numpy")
    fake.energy = lambda hidden, chunks: chunks.mean(axis=(1, 2)).tolist()  # the last one is lowest
    policy = OpenVla()
    server = openvla.Server(
        policy.sample, client, port=0, rule="energy", from_model=lambda chunk: chunk * SCALE
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def post(body: str, path: str = "/act") -> Tuple[Any, Dict[str, Any]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}{path}", body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read()), json.loads(reply.headers.get("X-Action-Energy") or "{}")

    observation = {
        "full_image": np.zeros((8, 8, 3), np.uint8),
        "state": np.zeros(8),
        "instruction": "pick up the cup",
    }
    body = json_numpy.dumps(observation)
    try:
        reply, info = post(body)
        chunk = np.stack([json_numpy.loads(json.dumps(action)) for action in reply])
        np.testing.assert_allclose(chunk, np.full((H, A), SCALE * 0.4), rtol=1e-6)
        assert info["index"] == 5
        assert len(info["energies"]) == 6
        text, _ = post(json.dumps({"encoded": body}))
        assert isinstance(text, str)
        np.testing.assert_array_equal(np.stack(json_numpy.loads(text)), chunk)
        fake.fail_next(Unavailable("gone"), 50)
        reply, info = post(body)
        chunk = np.stack([json_numpy.loads(json.dumps(action)) for action in reply])
        np.testing.assert_allclose(chunk, SCALE * 0.9, rtol=1e-6)
        assert info["fallback"] == "unavailable"
        for wrong in (
            "not json",
            "[]",
            json.dumps({"encoded": body, "more": 1}),
            json_numpy.dumps({"instruction": "no image"}),
        ):
            assert post(wrong) == ("error", {})
        lie = json.dumps({"full_image": {"__numpy__": "AAAA", "dtype": "<f8", "shape": [1000]}})
        assert post(lie)[0] == "error"
        with pytest.raises(urllib.error.HTTPError):
            post(body, "/other")
        fake._failures.clear()
        assert post(body)[1]["index"] == 5
    finally:
        server.stop()
        thread.join(10)


def test_arrays_as_json_numpy_has_them(rng: np.random.Generator) -> None:
    json_numpy = pytest.importorskip("json_numpy")
    for array in (
        rng.normal(size=(2, 3)),
        np.zeros((0, 4), np.uint8),
        np.asfortranarray(rng.normal(size=(3, 2))),
    ):
        ours = json.dumps(array, default=openvla.encode)
        np.testing.assert_array_equal(json_numpy.loads(ours), array)
        np.testing.assert_array_equal(json.loads(json_numpy.dumps(array), object_hook=openvla.decode), array)
    for dtype in ("|O", "V8"):
        with pytest.raises(ValueError, match="dtype"):
            openvla.decode({"__numpy__": "AAAA", "dtype": dtype, "shape": []})
