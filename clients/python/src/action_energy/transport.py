"""How plans reach a server: gRPC channels for the blocking and the asyncio client."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
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
    TypeVar,
    Union,
)

import grpc
import grpc.aio

from action_energy.errors import InvalidInput, Unavailable, error_of_rpc
from action_energy.plans import Call, Pause, Plan

T = TypeVar("T")
Token = Union[str, Callable[[], str]]
Metadata = Tuple[Tuple[str, str], ...]

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


@dataclass(frozen=True)
class TLS:
    """PEM files. `ca`: authorities that sign the server, absent: gRPC's own list; `cert` and `key`: mutual TLS."""

    ca: Optional[str] = None
    cert: Optional[str] = None
    key: Optional[str] = None

    def credentials(self) -> grpc.ChannelCredentials:
        if (self.cert is None) != (self.key is None):
            raise InvalidInput(
                "half of a client certificate",
                field="tls",
                found="a key" if self.cert is None else "a certificate",
                wanted="both or neither",
            )
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.cert))


def _read(file: Optional[str]) -> Optional[bytes]:
    if file is None:
        return None
    try:
        return Path(file).read_bytes()
    except OSError as cause:
        raise InvalidInput("cannot be read", field=file, found=str(cause), wanted="a PEM file") from cause


@dataclass(frozen=True)
class Target:
    """Checked when made. Errors: `InvalidInput` naming `address`, `tls` or `token`."""

    address: str
    tls: Optional[TLS] = None
    token: Optional[Token] = None
    insecure_token: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"unix:.+|\[[0-9A-Fa-f:.]+\]:\d{1,5}|[^\s:\[\]/]+:\d{1,5}", self.address):
            raise InvalidInput(
                "not an address", field="address", found=self.address, wanted="HOST:PORT or unix:PATH"
            )
        if self.token is not None and self.tls is None and not self.insecure_token and not self._is_local():
            raise InvalidInput(
                "a token without TLS travels in the clear",
                field="token",
                found=self.address,
                wanted="TLS, or a loopback address",
                mend="Pass tls=TLS(ca='ca.pem'), or insecure_token=True on a network that you trust",
            )

    def _is_local(self) -> bool:
        host = self.address.rpartition(":")[0].strip("[]")
        if self.address.startswith("unix:") or host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def metadata(self) -> Metadata:
        if self.token is None:
            return ()
        token = self.token if isinstance(self.token, str) else self.token()
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise InvalidInput("not a token", field="token", wanted="printable characters without spaces")
        return (("authorization", f"Bearer {token}"),)


class Transport(Protocol):
    """What a blocking client needs; `testing.FakeServer` is another."""

    def call(self, path: str, payload: bytes, timeout: Optional[float]) -> bytes:
        """Errors: `EnergyError`."""

    def stream(self, path: str, requests: Iterator[bytes]) -> Tuple[Iterator[bytes], Callable[[], None]]:
        """Answers as they come, and what ends the stream at once. Errors of the iterator: `EnergyError`."""

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    async def call(self, path: str, payload: bytes, timeout: Optional[float]) -> bytes: ...

    def stream(
        self, path: str, requests: AsyncIterator[bytes]
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

    def call(self, path: str, payload: bytes, timeout: Optional[float]) -> bytes:
        channel = self._open()
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = channel.unary_unary(path)
        try:
            answer: bytes = method(payload, timeout=timeout, metadata=self._target.metadata())
        except grpc.RpcError as error:
            raise error_of_rpc(error, self._target.address) from error
        except ValueError as error:  # grpc's word for a channel that was closed meanwhile
            raise Unavailable("the client is closed") from error
        return answer

    def stream(self, path: str, requests: Iterator[bytes]) -> Tuple[Iterator[bytes], Callable[[], None]]:
        call = self._open().stream_stream(path)(requests, metadata=self._target.metadata())

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

    async def call(self, path: str, payload: bytes, timeout: Optional[float]) -> bytes:
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = self._open().unary_unary(path)
        try:
            answer: bytes = await method(payload, timeout=timeout, metadata=self._target.metadata())
        except grpc.RpcError as error:
            raise error_of_rpc(error, self._target.address) from error
        except grpc.aio.UsageError as error:
            raise Unavailable("the client is closed") from error
        return answer

    def stream(
        self, path: str, requests: AsyncIterator[bytes]
    ) -> Tuple[AsyncIterator[bytes], Callable[[], None]]:
        call = self._open().stream_stream(path)(requests, metadata=self._target.metadata())

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


def drive(plan: Plan[T], transport: Transport) -> T:
    """Runs a plan to its end, blocking."""
    try:
        step = next(plan)
        while True:
            try:
                answer = _take(step, transport)
            except Exception as error:  # the plan decides, of unexpected errors too
                step = plan.throw(error)
            else:
                step = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def _take(step: Union[Call, Pause], transport: Transport) -> Optional[bytes]:
    if isinstance(step, Call):
        return transport.call(step.path, step.payload, step.timeout)
    time.sleep(step.seconds)
    return None


async def drive_async(plan: Plan[T], transport: AsyncTransport) -> T:
    """The same in an event loop."""
    try:
        step = next(plan)
        while True:
            try:
                answer: Optional[bytes] = None
                if isinstance(step, Call):
                    answer = await transport.call(step.path, step.payload, step.timeout)
                else:
                    await asyncio.sleep(step.seconds)
            except Exception as error:  # the plan decides, of unexpected errors too
                step = plan.throw(error)
            else:
                step = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
