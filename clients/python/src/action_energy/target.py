"""Where a server is and how to be let in."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Tuple, Union

import grpc

from action_energy.affinity import AFFINITY_HEADER
from action_energy.errors import InvalidInput

Token = Union[str, Callable[[], str]]
Metadata = Tuple[Tuple[str, str], ...]


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

    def metadata(self, affinity: Optional[str] = None) -> Metadata:
        """Headers of one call."""
        key: Metadata = () if affinity is None else ((AFFINITY_HEADER, affinity),)
        if self.token is None:
            return key
        token = self.token if isinstance(self.token, str) else self.token()
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise InvalidInput("not a token", field="token", wanted="printable characters without spaces")
        return (*key, ("authorization", f"Bearer {token}"))
