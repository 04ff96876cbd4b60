from __future__ import annotations

import pytest

from action_energy import EnergyClient, InvalidInput, NotFound, Overloaded, Unavailable
from action_energy._proto import error_details_pb2, status_pb2
from action_energy.errors import EnergyError, error_of_status
from action_energy.target import TLS, Target


def status_with(field: str, description: str) -> status_pb2.Status:
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    status = status_pb2.Status(code=3, message=f"{field}: {description}")
    status.details.add(
        type_url="type.googleapis.com/google.rpc.BadRequest",
        value=error_details_pb2.BadRequest(field_violations=[violation]).SerializeToString(),
    )
    return status


def test_field_found_wanted_and_mend_come_back() -> None:
    details = status_with(
        "candidates.shape", "does not fit; found [2, 8]; wanted [N, 8, 7], N >= 1. Add an axis"
    )
    error = error_of_status(3, details.message, details)
    assert isinstance(error, InvalidInput)
    assert isinstance(error, ValueError)
    assert error.field == "candidates.shape"
    assert (error.summary, error.found, error.wanted) == ("does not fit", "[2, 8]", "[N, 8, 7], N >= 1")
    assert error.mend == "Add an axis"
    assert str(error) == details.message


@pytest.mark.parametrize(
    "message", ["", "plain", "a; found b", "x. y. z", "; wanted", "a.\nB; found \n; wanted 0.5. Do it"]
)
def test_any_message_survives(message: str) -> None:
    error = error_of_status(5, message)
    assert isinstance(error, NotFound)
    assert str(error) == message


def test_pushback_and_unknown_details() -> None:
    status = status_pb2.Status(code=8, message="full")
    delay = error_details_pb2.RetryInfo()
    delay.retry_delay.nanos = 250_000_000
    status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=delay.SerializeToString())
    status.details.add(type_url="type.googleapis.com/google.rpc.Help", value=b"\xff\xff")
    error = error_of_status(8, "full", status)
    assert isinstance(error, Overloaded)
    assert error.retry_after == pytest.approx(0.25)


def test_what_is_not_found_and_why_it_is_exhausted() -> None:
    status = status_pb2.Status(code=5, message="gone")
    info = error_details_pb2.ResourceInfo(resource_type="context")
    status.details.add(type_url="type.googleapis.com/google.rpc.ResourceInfo", value=info.SerializeToString())
    assert error_of_status(5, "gone", status).resource == "context"
    status = status_pb2.Status(code=8, message="too long")
    why = error_details_pb2.ErrorInfo(reason="LIMIT_EXCEEDED", metadata={"a": "b"})
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=why.SerializeToString())
    assert error_of_status(8, "too long", status).reason == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("address", ["", "localhost", "http://localhost:1", "a b:1", "host:port"])
def test_addresses(address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        EnergyClient(address)
    assert caught.value.field == "address"


def test_tokens_do_not_travel_in_the_clear() -> None:
    with pytest.raises(InvalidInput, match="in the clear"):
        EnergyClient("robot.example:50051", token="secret-token-secret")
    for address in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/tmp/x"):
        assert Target(address, token="secret").metadata() == (("authorization", "Bearer secret"),)
    Target("robot.example:1", token="secret", insecure_token=True)
    with pytest.raises(InvalidInput, match="not a token"):
        Target("127.0.0.1:1", token="line\nfeed").metadata()


def test_tls_files(tmp_path: object) -> None:
    with pytest.raises(InvalidInput, match="half of a client certificate"):
        TLS(cert="cert.pem").credentials()
    with pytest.raises(InvalidInput, match=r"missing\.pem"):
        TLS(ca=f"{tmp_path}/missing.pem").credentials()


def test_nobody_there() -> None:
    with (
        EnergyClient("127.0.0.1:1", deadline=0.5) as client,
        pytest.raises(Unavailable, match="no server answers") as caught,
    ):
        client.model()
    assert isinstance(caught.value, EnergyError)
    assert "127.0.0.1:1" in str(caught.value)
