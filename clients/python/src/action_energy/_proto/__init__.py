"""The messages of proto/action_energy/v1. Made by scripts/generate.py, but for `messages.py`."""
