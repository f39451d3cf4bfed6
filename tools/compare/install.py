"""Installs the systems that symbolon is compared with, each in an environment of its own.

    python3 tools/compare/install.py FOLDER

Where an installation fails, that is said, and the others go on. What is there already is kept.
"""

import subprocess
import sys
from pathlib import Path

# The versions that the figures in the guide are of, the commands of pip in their order, and the check whether it is there.
# CrypTen's own list of packages names some that cannot be had any more: those that it needs are named here.
SYSTEMS = {
    "spu": ([["spu==0.9.5"]], "import spu"),
    "crypten": (
        [["torch", "numpy", "omegaconf", "pyyaml", "onnx", "scipy", "pandas"], ["--no-deps", "crypten==0.4.1"]],
        "import importlib.util as u; assert all(map(u.find_spec, ('crypten', 'torch', 'onnx', 'omegaconf')))",
    ),
}


def python(envs, system):
    return Path(envs) / system / "bin" / "python"


def works(envs, system):
    """Whether a system can be imported."""
    there = python(envs, system)
    return there.exists() and subprocess.run([there, "-c", SYSTEMS[system][1]], capture_output=True).returncode == 0


def install(envs, system):
    """Installs a system where it is not there; returns what went wrong, or None."""
    if works(envs, system):
        return None
    pips, _ = SYSTEMS[system]
    commands = [[sys.executable, "-m", "venv", Path(envs) / system]]
    commands += [[python(envs, system), "-m", "pip", "install", "--quiet", *packages] for packages in pips]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
            return f"'{' '.join(map(str, command))}' failed: {said[-1]}"
    return None if works(envs, system) else f"{system} is installed and cannot be imported"


def main():
    envs = Path(sys.argv[1])
    envs.mkdir(parents=True, exist_ok=True)
    for system in SYSTEMS:
        fault = install(envs, system)
        print(f"{system}: {fault or 'there'}")


if __name__ == "__main__":
    main()
