"""For the tests of programs that use this package: the real server on a free port, and a fake in the same process.

pytest_plugins = ["action_energy.testing.plugin"]       # conftest.py

def test_policy(energy_server):                         # the real server, started once
    client = EnergyClient(energy_server.address)

def test_loop():                                        # no server, no Node
    client = EnergyClient(transport=FakeServer())
"""

from action_energy.testing.fake import AsyncFakeServer, FakeServer
from action_energy.testing.server import ServerNotFound, ServerProcess, start_server

__all__ = ["AsyncFakeServer", "FakeServer", "ServerNotFound", "ServerProcess", "start_server"]
