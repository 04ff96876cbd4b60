"""Which server of several a call goes to, behind a proxy that hashes a header (docs/fleet.md).

A server keeps contexts and remembers decisions. Calls with the same key reach the same server, so calls on one context share a
key, and a decision's outcome is reported under the key of its `select`. A random key for each spreads the load evenly; a robot
that reports outcomes of whole episodes gives all its calls one key of its own.
"""

from __future__ import annotations

import re
import uuid
from typing import Optional

from action_energy.errors import InvalidInput

AFFINITY_HEADER = "x-affinity-key"
"""What deploy/kubernetes/components/proxy/envoy.yaml hashes, and the TypeScript client sends."""


class AffinityKeys:
    """`own`: the key of this client's calls; None: each context and each decision has one of its own."""

    def __init__(self, own: Optional[str]) -> None:
        if own is not None and not re.fullmatch(r"[\x21-\x7e]{1,128}", own):
            raise InvalidInput(
                "not a key",
                field="affinity",
                found=repr(own)[:80],
                wanted="1 to 128 printable characters without spaces",
            )
        self.own = own

    def new(self) -> str:
        return uuid.uuid4().hex if self.own is None else self.own
