"""The `symbolon` command, as a console script."""

from __future__ import annotations

import os
import subprocess
import sys

from ._session import command


def main() -> None:
    """Becomes the command that the package brings along."""
    words = [str(command()), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(words[0], words)
    sys.exit(subprocess.call(words))
