"""Message classes from the committed descriptor set, in a pool of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

# Not the default pool: other packages register a google/rpc/status.proto of their own there, and a second one is an error.
_POOL = descriptor_pool.DescriptorPool()
_FILES = descriptor_pb2.FileDescriptorSet.FromString(
    (Path(__file__).with_name("descriptors.binpb")).read_bytes()
)
for _file in _FILES.file:
    _POOL.Add(_file) if not hasattr(_POOL, "AddSerializedFile") else _POOL.AddSerializedFile(
        _file.SerializeToString()
    )


def _class_of(descriptor: Any) -> Any:
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_POOL).GetPrototype(descriptor)  # type: ignore[attr-defined]  # protobuf 4.21


def messages_of(file: str) -> Dict[str, Any]:
    """Top-level messages, enums and their values of a .proto file, by name."""
    descriptor: Any = _POOL.FindFileByName(file)
    names: Dict[str, Any] = {
        name: _class_of(message) for name, message in descriptor.message_types_by_name.items()
    }
    for enum in descriptor.enum_types_by_name.values():
        names[enum.name] = EnumTypeWrapper(enum)
        names.update((value.name, value.number) for value in enum.values)
    return names
