#!/usr/bin/env python3
"""Closed-loop callers of ScoreActions as a policy server runs them: Python, gRPC's C core, one connection, N threads.

Usage: load_client.py ADDRESS. Reads one JSON object a line from standard input and answers each with one:

  {"message": "/tmp/fresh.bin", "callers": 16, "ms": 1400, "status": "OK"}
  {"latenciesMs": [...], "seconds": 1.41, "cpuSeconds": 0.12}

`message` is a file with a serialised ScoreActionsRequest, sent as it is: making the same bytes again for each call would be
charged to the server. A call that ends with another status than the one wanted ends the program with exit code 1.
"""

import json
import sys
import threading
import time

import grpc

METHOD = "/action_energy.v1.EnergyService/ScoreActions"
UNBOUNDED = [("grpc.max_send_message_length", -1)]


def as_is(message: bytes) -> bytes:
    return message


def run(call, message: bytes, callers: int, seconds: float, wanted: str) -> dict:
    """Every caller sends again when it has its answer, until the time is over. Raises the first wrong status."""
    latencies_ms: list[float] = []
    failures: list[str] = []
    begun, cpu = time.perf_counter(), time.process_time()

    def caller() -> None:
        while time.perf_counter() - begun < seconds and not failures:
            sent = time.perf_counter()
            try:
                call(message)
                status = "OK"
            except grpc.RpcError as error:
                status = error.code().name
                if status != wanted:
                    failures.append(f"{status}: {error.details()}")
            else:
                if status != wanted:
                    failures.append(status)
            latencies_ms.append((time.perf_counter() - sent) * 1e3)

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"wanted {wanted}, found {failures[0]}")
    return {
        "latenciesMs": latencies_ms,
        "seconds": time.perf_counter() - begun,
        "cpuSeconds": time.process_time() - cpu,
    }


def main() -> None:
    channel = grpc.insecure_channel(sys.argv[1], options=UNBOUNDED)
    call = channel.unary_unary(METHOD, request_serializer=as_is, response_deserializer=as_is)
    messages: dict[str, bytes] = {}
    for line in sys.stdin:
        task = json.loads(line)
        path = task["message"]
        if path not in messages:
            with open(path, "rb") as file:
                messages[path] = file.read()
        result = run(call, messages[path], task["callers"], task["ms"] / 1e3, task["status"])
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
