"""Everything that must hold for this package: `python3 scripts/check.py` (Node server built, see CONTRIBUTING.md).

Makes `.venv-client` at the repository's root, installs the pinned requirements and the example's simulator, compares
generated files, formats, types, builds wheel and sdist, runs the tests from the built wheel, and again (without the
faults, which are the server's part) on the oldest and newest other Python that is here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List, Optional

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]
VENV = ROOT / ".venv-client"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = PACKAGE / "requirements-dev.txt"
EXAMPLE = ROOT / "examples" / "closed_loop"
# What the tests need beside the package; unpinned, because no one version runs on all of these Pythons.
OTHER_REQUIREMENTS = ["pytest", "safetensors", "ml_dtypes", "msgpack", "pyzmq", "websockets"]
SUPPORTED = [(3, minor) for minor in range(9, 14)]
ATTEMPTS = 3


def run(*command: object, **options: object) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, cwd=PACKAGE, **options)  # type: ignore[call-overload]


def pip(python: Path, *arguments: object) -> None:
    """Downloads fail for reasons that pass."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
            return
        except subprocess.CalledProcessError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(5 * attempt)


def python_of(version: str) -> Optional[str]:
    """An interpreter of `3.9`, on the PATH or where pyenv keeps them."""
    found = shutil.which(f"python{version}")
    if (
        found is not None
        and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0
    ):
        return found
    kept = sorted(
        (Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob(
            f"{version}.*/bin/python"
        )
    )
    return str(kept[-1]) if kept else None


def other_pythons() -> List[str]:
    """The oldest and the newest supported one that is here, without the one that runs this."""
    here = [
        f"{a}.{b}"
        for a, b in SUPPORTED
        if (a, b) != sys.version_info[:2] and python_of(f"{a}.{b}") is not None
    ]
    return sorted({*here[:1], *here[-1:]}, key=lambda version: int(version.partition(".")[2]))


def install_simulator() -> None:
    """MuJoCo and Meta-World, for the example's test; loud where they cannot be had, and a failure with CI=true."""
    try:
        pip(PYTHON, "-r", REQUIREMENTS, "-r", EXAMPLE / "requirements.txt")
    except subprocess.CalledProcessError:
        if os.environ.get("CI") == "true":
            raise
        print(
            "\n*** NOT INSTALLED, its test will be skipped: Meta-World on MuJoCo, for examples/closed_loop ***\n"
        )


def main() -> None:
    if not PYTHON.exists():
        run(sys.executable, "-m", "venv", VENV)
    pip(PYTHON, "-r", REQUIREMENTS)
    install_simulator()
    run(PYTHON, "scripts/generate.py", "--check")
    run(PYTHON, "-m", "ruff", "format", "--check", ".", EXAMPLE)
    run(PYTHON, "-m", "ruff", "check", ".", EXAMPLE)
    run(PYTHON, "-m", "mypy")
    with tempfile.TemporaryDirectory() as folder:
        run(PYTHON, "-m", "build", "--no-isolation", "--outdir", folder)
        wheel = next(Path(folder).glob("*.whl"))
        pip(PYTHON, "--no-deps", "--force-reinstall", wheel)
        run(PYTHON, "-m", "pytest")
        for version in other_pythons():
            other = Path(folder) / f"venv{version}"
            run(python_of(version), "-m", "venv", other)
            pip(other / "bin" / "python", wheel, *OTHER_REQUIREMENTS)
            print(f"Python {version}:", flush=True)
            run(other / "bin" / "python", "-m", "pytest", "--ignore", "tests/test_faults.py")


if __name__ == "__main__":
    main()
