"""Every example is a script of a screen that runs as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) <= 60
    ended = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
