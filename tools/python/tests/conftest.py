"""Sessions that tests share: all parties as threads of this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import symbolon as sb

PROTOCOLS = ("beaver", "replicated")


@pytest.fixture(scope="session", params=PROTOCOLS)
def world(request: pytest.FixtureRequest) -> Iterator[sb.Session]:
    """A session of fixed-point numbers."""
    with sb.local(request.param, processes=False, device="cpu", threads=1) as session:
        yield session


@pytest.fixture(scope="session", params=PROTOCOLS)
def integers(request: pytest.FixtureRequest) -> Iterator[sb.Session]:
    """A session of integers."""
    with sb.local(request.param, processes=False, device="cpu", threads=1, fraction_bits=0) as session:
        yield session
