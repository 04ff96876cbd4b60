"""Makes `src/action_energy/_proto` from the repository's proto/: `python scripts/generate.py`, `--check` compares only.

The messages travel as one descriptor set, from which `messages.py` makes classes in a pool of their own: there is no
generated code that a newer or older protobuf would refuse, and no clash with another package's google/rpc/status.proto.
Type checkers get `.pyi` files. Needs grpcio-tools (requirements-dev.txt).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import Dict, List

import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PACKAGE = Path(__file__).resolve().parents[1]
PROTO = PACKAGE.parents[1] / "proto"
OUT = PACKAGE / "src" / "action_energy" / "_proto"
FILES = (
    "action_energy/v1/tensor.proto",
    "action_energy/v1/energy.proto",
    "action_energy/v1/selection.proto",
    "action_energy/v1/calibration.proto",
    "action_energy/v1/training.proto",
    "google/rpc/status.proto",
    "google/rpc/error_details.proto",
)
DESCRIPTORS = "descriptors.binpb"


def generate() -> Dict[str, bytes]:
    """File name in `_proto` -> content."""
    made: Dict[str, bytes] = {}
    builtin = str(Path(grpc_tools.__file__).parent / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / DESCRIPTORS
        command: List[str] = ["protoc", f"-I{PROTO}", f"-I{builtin}", f"--pyi_out={folder}"]
        command += [f"--descriptor_set_out={descriptors}", "--include_imports", *FILES]
        if protoc.main(command) != 0:
            raise SystemExit("protoc failed")
        parsed = descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes())
        made[DESCRIPTORS] = parsed.SerializeToString(deterministic=True)
        for file in FILES:
            stem = Path(file).stem
            stub = (Path(folder) / file).with_name(f"{stem}_pb2.pyi").read_text()
            made[f"{stem}_pb2.pyi"] = localise(stub).encode()
            made[f"{stem}_pb2.py"] = module(file).encode()
    return made


def localise(stub: str) -> str:
    """Imports of the other files from beside this one, and no bare generics, which strict type checkers refuse."""
    stub = stub.replace("_Mapping]", "_Mapping[str, object]]")
    return re.sub(
        r"^from (?:action_energy\.v1|google\.rpc) import", "from . import", stub, flags=re.MULTILINE
    )


def module(file: str) -> str:
    return f'''"""Messages of {file}. Made by scripts/generate.py."""

from action_energy._proto.messages import messages_of

globals().update(messages_of("{file}"))
'''


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    check = parser.parse_args().check
    files = generate()
    if check:
        stale = [n for n, c in files.items() if not (OUT / n).exists() or (OUT / n).read_bytes() != c]
        for name in stale:
            print(f"differs from proto/: {OUT.relative_to(PACKAGE) / name}", file=sys.stderr)
        if stale:
            print("Run `python clients/python/scripts/generate.py` and commit the result.", file=sys.stderr)
        return 1 if stale else 0
    for name, content in files.items():
        (OUT / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
