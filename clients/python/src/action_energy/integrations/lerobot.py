"""LeRobot's async inference: the hook lies between the policy's chunk and the per-step postprocessor.

    server = PolicyServer(config)                       # lerobot.async_inference.policy_server
    choose_in(server, client, context=lambda server, observation, chunk: server.policy.last_hidden)

Stock robot clients work unmodified, because the server goes on to postprocess and send whatever chunk it gets. Nothing that a
peer sent is unpickled here: the hook sees tensors only. (LeRobot's own server unpickles its peers' bytes,
CVE-2026-25874: keep its port off networks that you do not trust.)

Written against `PolicyServer._get_action_chunk(observation) -> [1, H, A]` of lerobot 0.4 to 0.6, which is looked for and not
assumed.
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional

import numpy as np

from action_energy.arrays import ArrayLike, host_array
from action_energy.client import EnergyClient
from action_energy.errors import InvalidInput
from action_energy.integrations.choosing import Choice, Chooser, Proposal

_HOOK = "_get_action_chunk"


def choose_in(
    server: Any,
    client: EnergyClient,
    *,
    context: Callable[[Any, Any, Any], ArrayLike],
    samples: int = 8,
    mask: Optional[Callable[[Any, Any, Any], ArrayLike]] = None,
    on_choice: Optional[Callable[[Choice], None]] = None,
    **options: Any,
) -> Chooser:
    """Makes `server` sample `samples` chunks where it sampled one, and go on with the chosen one.

    `context(server, observation, chunk)` and `mask(...)`: [S, D] and [S] of the observation, after the first sample. Chunks
    are scored as the policy puts them out, before the postprocessor un-normalises them. `on_choice`: gets the scores and
    timings, for which LeRobot's reply has no room. `options`: those of `Chooser`. Errors: `InvalidInput` for a server
    without the hook.
    """
    sample: Optional[Callable[[Any], Any]] = getattr(server, _HOOK, None)
    if sample is None:
        raise InvalidInput(
            "not a PolicyServer that this knows",
            field="server",
            found=type(server).__qualname__,
            wanted=f"a method {_HOOK}",
        )
    chooser = Chooser(client, **options)

    def chosen(observation: Any) -> Any:
        own = sample(observation)
        chunks: List[Any] = [own]

        def propose() -> Proposal:
            for _ in range(samples - 1):
                chunks.append(sample(observation))
            candidates = np.stack([_single(chunk) for chunk in chunks])
            return Proposal(
                hidden=context(server, observation, own),
                candidates=candidates,
                mask=None if mask is None else mask(server, observation, own),
            )

        choice = chooser.choose(propose)
        if on_choice is not None:
            on_choice(choice)
        if choice.made is not None:
            return _like(own, choice.made)
        return own if choice.index is None else chunks[choice.index]

    setattr(server, _HOOK, chosen)
    return chooser


def _single(chunk: Any) -> Any:
    array = host_array(chunk, "chunk")
    if array.ndim != 3 or array.shape[0] != 1:
        raise InvalidInput("one robot at a time", field="chunk", found=str(array.shape), wanted="[1, H, A]")
    return array[0]


def _like(own: Any, average: Any) -> Any:
    """[1, H, A], where and of what dtype the policy's own chunk is."""
    tensor = own.new_tensor(average) if hasattr(own, "new_tensor") else np.asarray(average, own.dtype)
    return tensor[None]
