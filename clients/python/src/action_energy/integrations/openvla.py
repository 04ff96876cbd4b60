"""OpenVLA-OFT's `/act`: an HTTP server whose reply is the chosen chunk.

    def propose(observation):           # the energy fork's predict_action: (actions, hidden, layer_actions, mask)
        actions, hidden, layers, mask = vla.predict_action(...)
        return actions, lambda: Proposal(hidden, np.stack([actions, *layers]), mask)

    Server(propose, client, port=8777).serve_forever()

Wire, as vla-scripts/deploy.py has it: POST /act with a JSON map, arrays as json_numpy writes them
(`{"__numpy__": base64, "dtype", "shape"}`); the reply is the chunk as a list of H arrays. A request `{"encoded": "..."}` is
JSON in JSON, and its reply is, too. A failure is the JSON string "error" with status 200. Scores and timings travel in the
header `X-Action-Energy` as JSON, since the reply has no room for them. Tested with json_numpy from PyPI.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

from action_energy.client import EnergyClient
from action_energy.integrations.choosing import Chooser, Proposal

log = logging.getLogger("action_energy.integrations.openvla")

MAX_REQUEST_BYTES = 64 << 20
"""Three 8-bit images of 1024 x 1024 in base64 are 13 MB."""

Sample = Callable[[Dict[str, Any]], Tuple[Any, Callable[[], Proposal]]]


class Server:
    """`sample(observation)` gives the policy's own chunk [H, A] in robot units, and what proposes candidates beside it (called
    next; its failure costs nothing but the choice). Number `baseline` of them is that chunk in the model's units, and
    `from_model` turns chosen candidates [H, A] into robot units (absent: identity). `options`: those of `Chooser`. One
    request at a time reaches the policy."""

    def __init__(
        self,
        sample: Sample,
        client: EnergyClient,
        *,
        host: str = "127.0.0.1",
        port: int = 8777,
        from_model: Optional[Callable[[Any], Any]] = None,
        **options: Any,
    ) -> None:
        self._sample = sample
        self._from_model = from_model or (lambda chunk: chunk)
        self.chooser = Chooser(client, **options)
        self._alone = threading.Lock()
        self._http = ThreadingHTTPServer((host, port), self._handler())
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]

    def act(self, observation: Dict[str, Any]) -> Tuple[Any, Dict[str, Any]]:
        """The chunk to execute [H, A] in robot units, and scores and timings. Errors: those of the policy alone."""
        own, propose = self._sample(observation)
        choice = self.chooser.choose(propose)
        if choice.selection is None or choice.keeps_own:
            return np.asarray(own), choice.info
        return np.asarray(self._from_model(choice.selection.chunk)), choice.info

    def serve_forever(self) -> None:
        try:
            self._http.serve_forever(poll_interval=0.1)
        finally:
            self._http.server_close()

    def stop(self) -> None:
        self._http.shutdown()

    def _reply(self, body: bytes) -> Tuple[Any, Dict[str, Any]]:
        request = json.loads(body, object_hook=decode)
        double = isinstance(request, dict) and "encoded" in request
        if double:
            if set(request) != {"encoded"}:
                raise ValueError("`encoded` stands alone")
            request = json.loads(request["encoded"], object_hook=decode)
        if not isinstance(request, dict):
            raise ValueError("an observation is a map")
        with self._alone:
            chunk, info = self.act(request)
        text = json.dumps(list(chunk), default=encode)
        return (json.dumps(text) if double else text), info

    def _handler(self) -> Any:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if self.path != "/act" or not length.isdigit():
                    self._send(404 if self.path != "/act" else 411, '"error"', {})
                    return
                if int(length) > MAX_REQUEST_BYTES:
                    self.close_connection = True
                    self._send(413, '"error"', {})
                    return
                try:
                    text, info = server._reply(self.rfile.read(int(length)))
                except Exception:
                    log.exception("a request failed")
                    text, info = '"error"', {}
                self._send(200, text, info)

            def _send(self, status: int, text: str, info: Dict[str, Any]) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if info:
                    self.send_header("X-Action-Energy", json.dumps(info, default=np.ndarray.tolist))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                log.debug(format, *arguments)

        return Handler


def encode(value: Any) -> Any:
    """For `json.dumps(default=...)`, as json_numpy does it."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.kind == "V":
            raise TypeError(f"no place on the wire for {array.dtype}")
        data = base64.b64encode(np.ascontiguousarray(array).data).decode()
        return {"__numpy__": data, "dtype": array.dtype.str, "shape": list(array.shape)}
    raise TypeError(f"no place on the wire for {type(value).__name__}")


def decode(value: Dict[str, Any]) -> Any:
    """For `json.loads(object_hook=...)`. Errors: `ValueError` for what lies about itself."""
    if "__numpy__" not in value:
        return value
    try:
        data = base64.b64decode(value["__numpy__"], validate=True)
        dtype = np.dtype(value["dtype"])
    except (binascii.Error, TypeError) as cause:
        raise ValueError(f"not an array: {cause}") from cause
    if dtype.hasobject or dtype.kind == "V":
        raise ValueError(f"no dtype for the wire: {dtype}")
    array = np.frombuffer(data, dtype).reshape(value["shape"])
    return array if value["shape"] else array[()]
