"""How plans reach a server: gRPC channels for the blocking and the asyncio client."""

from __future__ import annotations

import os
import threading
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Dict,
    Iterator,
    List,
    Optional,
    Protocol,
    Tuple,
)

import grpc
import grpc.aio

from action_energy.errors import Unavailable, error_of_rpc
from action_energy.target import Target

CHANNEL_OPTIONS: List[Tuple[str, int]] = [
    # The server's limits count; a matrix may be larger than the default 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # This package tries again by itself; a retry inside the channel keeps a copy of every message.
    ("grpc.enable_retries", 0),
    # One connection a client: closing one cannot disturb another.
    ("grpc.use_local_subchannel_pool", 1),
    # A server that restarts is found again within half a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # A server whose machine is gone answers no ping; without one the calls of minutes would run into their deadlines.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]


class Transport(Protocol):
    """What a blocking client needs; `testing.FakeServer` is another."""

    def call(
        self, path: str, payload: bytes, timeout: Optional[float], affinity: Optional[str] = None
    ) -> bytes:
        """`affinity`: see `action_energy.affinity`. Errors: `EnergyError`."""

    def stream(
        self, path: str, requests: Iterator[bytes], affinity: Optional[str] = None
    ) -> Tuple[Iterator[bytes], Callable[[], None]]:
        """Answers as they come, and what ends the stream at once. Errors of the iterator: `EnergyError`."""

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    async def call(
        self, path: str, payload: bytes, timeout: Optional[float], affinity: Optional[str] = None
    ) -> bytes: ...

    def stream(
        self, path: str, requests: AsyncIterator[bytes], affinity: Optional[str] = None
    ) -> Tuple[AsyncIterator[bytes], Callable[[], None]]: ...

    async def close(self) -> None: ...


class GrpcTransport:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._channel: Any = None
        self._methods: Dict[str, Any] = {}
        self._process = 0
        self._closed = False

    def _open(self) -> Any:
        """A channel belongs to the process that made it: gRPC's does not survive a fork."""
        with self._lock:
            if self._closed:
                raise Unavailable("the client is closed")
            if self._channel is None or self._process != os.getpid():
                self._channel = _channel(grpc, self._target)
                self._methods, self._process = {}, os.getpid()
            return self._channel

    def call(
        self, path: str, payload: bytes, timeout: Optional[float], affinity: Optional[str] = None
    ) -> bytes:
        channel = self._open()
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = channel.unary_unary(path)
        try:
            answer: bytes = method(payload, timeout=timeout, metadata=self._target.metadata(affinity))
        except grpc.RpcError as error:
            raise error_of_rpc(error, self._target.address) from error
        except ValueError as error:  # grpc's word for a channel that was closed meanwhile
            raise Unavailable("the client is closed") from error
        return answer

    def stream(
        self, path: str, requests: Iterator[bytes], affinity: Optional[str] = None
    ) -> Tuple[Iterator[bytes], Callable[[], None]]:
        call = self._open().stream_stream(path)(requests, metadata=self._target.metadata(affinity))

        def answers() -> Iterator[bytes]:
            try:
                yield from call
            except grpc.RpcError as error:
                raise error_of_rpc(error, self._target.address) from error

        return answers(), call.cancel

    def close(self) -> None:
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
        if channel is not None and self._process == os.getpid():
            channel.close()


class AsyncGrpcTransport:
    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel: Any = None
        self._methods: Dict[str, Any] = {}

    def _open(self) -> Any:
        if self._channel is None:
            self._channel = _channel(grpc.aio, self._target)
        return self._channel

    async def call(
        self, path: str, payload: bytes, timeout: Optional[float], affinity: Optional[str] = None
    ) -> bytes:
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = self._open().unary_unary(path)
        try:
            answer: bytes = await method(payload, timeout=timeout, metadata=self._target.metadata(affinity))
        except grpc.RpcError as error:
            raise error_of_rpc(error, self._target.address) from error
        except grpc.aio.UsageError as error:
            raise Unavailable("the client is closed") from error
        return answer

    def stream(
        self, path: str, requests: AsyncIterator[bytes], affinity: Optional[str] = None
    ) -> Tuple[AsyncIterator[bytes], Callable[[], None]]:
        call = self._open().stream_stream(path)(requests, metadata=self._target.metadata(affinity))

        async def answers() -> AsyncIterator[bytes]:
            try:
                async for answer in call:
                    yield answer
            except grpc.RpcError as error:
                raise error_of_rpc(error, self._target.address) from error

        return answers(), call.cancel

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()


def _channel(library: Any, target: Target) -> Any:
    if target.tls is None:
        return library.insecure_channel(target.address, options=CHANNEL_OPTIONS)
    return library.secure_channel(target.address, target.tls.credentials(), options=CHANNEL_OPTIONS)
