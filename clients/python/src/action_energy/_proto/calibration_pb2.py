"""Messages of action_energy/v1/calibration.proto. Made by scripts/generate.py."""

from action_energy._proto.messages import messages_of

globals().update(messages_of("action_energy/v1/calibration.proto"))
