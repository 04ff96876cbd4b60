"""Messages of google/rpc/error_details.proto. Made by scripts/generate.py."""

from action_energy._proto.messages import messages_of

globals().update(messages_of("google/rpc/error_details.proto"))
