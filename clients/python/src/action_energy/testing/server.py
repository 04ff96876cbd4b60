"""The real server in a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import IO, List, Mapping, Optional, Sequence

from action_energy.client import EnergyClient

START_SECONDS = 120.0
STOP_SECONDS = 30.0
NODE_MAJOR = 20
# With its file handles left as they are (none is inheritable, PEP 446) Python starts a program by posix_spawn, which does not run
# the fork handlers of a gRPC that is in use: in a forked copy of a busy one the program may end before it begins.
CLOSE_FDS = False


class ServerNotFound(RuntimeError):
    """The server or Node is not there; the message says where was looked and what to do."""


class ServerProcess:
    """A running server. `address` HOST:PORT; `log` the lines that it printed; `stop()` lets it finish what it began."""

    def __init__(
        self, process: subprocess.Popen[str], command: Sequence[str], env: Mapping[str, str]
    ) -> None:
        self.process = process
        self.command = list(command)
        self.log: List[str] = []
        self._env = dict(env)
        self._listening = threading.Event()
        self.address = ""
        self._reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._reader.start()

    def wait(self) -> ServerProcess:
        """Until it listens. Errors: `RuntimeError` with what it printed."""
        if not self._listening.wait(START_SECONDS) or not self.address:
            self.kill()
            text = "\n".join(self.log) or "nothing"
            raise RuntimeError(f"the server did not start ({' '.join(self.command)}). It printed:\n{text}")
        return self

    def client(self, **options: object) -> EnergyClient:
        return EnergyClient(self.address, **options)  # type: ignore[arg-type]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reader.join(5)
        return code

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def restarted(self) -> ServerProcess:
        """The same server again, on the same port: for tests of what a loop does meanwhile."""
        command = list(self.command)
        command[command.index("--address") + 1] = self.address
        return _spawn(command, self._env)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _read(self, lines: Optional[IO[str]]) -> None:
        assert lines is not None
        with lines:
            for line in lines:
                self.log.append(line.rstrip("\n"))
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if isinstance(message, dict) and message.get("msg") == "serving":
                    self.address = message["addresses"][0]
                    self._listening.set()
        self._listening.set()


def start_server(
    models: Optional[str] = None,
    *,
    flags: Sequence[str] = (),
    command: Optional[Sequence[str]] = None,
    env: Optional[Mapping[str, str]] = None,
) -> ServerProcess:
    """Starts `action-energy serve` and returns when it listens.

    `models`: folder of bundles; absent: the server's bundled model. `flags`: more of `serve`'s, e.g.
    `["--queue-items", "4"]`. `command`: how to run action-energy, e.g. `["node", "/opt/action-energy/dist/src/cli/main.js"]`;
    absent: see `server_command`. Errors: `ServerNotFound`; `RuntimeError` with the log of a server that does not start.
    """
    line = [*(command or server_command()), "serve", "--address", "127.0.0.1:0", "--metrics-address", "none"]
    models = models or _bundled_models(line)
    if models is not None:
        line += ["--models", str(models)]
    return _spawn([*line, *flags], {**os.environ, **(env or {})}).wait()


def _spawn(command: Sequence[str], env: Mapping[str, str]) -> ServerProcess:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(env),
        close_fds=CLOSE_FDS,
    )
    return ServerProcess(process, command, env)


def _bundled_models(command: Sequence[str]) -> Optional[str]:
    """The models of the checkout or package whose server `command` runs."""
    main = Path(command[1])
    return str(main.parents[3] / "models") if main.parts[-4:-1] == ("dist", "src", "cli") else None


def server_command() -> List[str]:
    """How to run action-energy here: the environment's ACTION_ENERGY_SERVER (main.js or a program); `action-energy` on the
    PATH; a built checkout or `node_modules` in the working folder, above it, or above this file."""
    given = os.environ.get("ACTION_ENERGY_SERVER")
    if given:
        if not Path(given).exists():
            raise ServerNotFound(f"ACTION_ENERGY_SERVER names {given}, which does not exist")
        return [_node(), given] if given.endswith(".js") else [given]
    on_path = shutil.which("action-energy")
    if on_path is not None:
        return [on_path]
    for folder in [Path.cwd(), *Path.cwd().parents, *Path(__file__).resolve().parents]:
        for main in ("dist/src/cli/main.js", "node_modules/action-energy/dist/src/cli/main.js"):
            if (folder / main).exists() and (folder / main).with_name("serve.js").exists():
                return [_node(), str(folder / main)]
    raise ServerNotFound(
        "action-energy was not found. Looked for: the environment's ACTION_ENERGY_SERVER; `action-energy` on the PATH; "
        "dist/src/cli/main.js or node_modules/action-energy in the working folder and above it. "
        "Clone action-energy, run `npm ci` in it, and set ACTION_ENERGY_SERVER=CLONE/dist/src/cli/main.js"
    )


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise ServerNotFound(
            f"Node is not on the PATH. action-energy needs Node {NODE_MAJOR} or later: https://nodejs.org"
        )
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False, close_fds=CLOSE_FDS
    ).stdout.strip()
    match = re.fullmatch(r"v(\d+)\..*", version)
    # one that says no version shows what is wrong with it when the server is started
    if match is not None and int(match.group(1)) < NODE_MAJOR:
        raise ServerNotFound(f"{node} is version {version}. action-energy needs Node {NODE_MAJOR} or later")
    return node
