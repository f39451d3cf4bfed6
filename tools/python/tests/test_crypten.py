"""What CrypTen's operations become, on shares of integers; CrypTen itself is tried by frameworks/crypten_tests.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import symbolon as sb
from symbolon.crypten import MOST, drawn, install, integer, pair, quotient, value

DIVISORS = [1, 2, 3, -3, 7, 10, 1000, 65536, -65536, 65537, 2**31 - 1, 2**31, 2**32 - 1]


class Share:
    """A share as PyTorch hands it over."""

    is_cuda = False

    def __init__(self, numbers: Any) -> None:
        self.numbers = numbers

    def contiguous(self) -> Share:
        return self

    def numpy(self) -> Any:
        return self.numbers


@pytest.fixture
def shared() -> tuple[Any, Any, Any]:
    """Integers as large as they may be, and small ones; and shares of them."""
    draw = np.random.default_rng(4)
    large, small = draw.integers(-MOST, MOST, 40), draw.integers(-(2**20), 2**20, 40)
    x = np.concatenate([large, small, [MOST, -MOST, 0, 1, -1]])
    share = drawn(x.shape)
    return x, share, x - share


def test_quotients_are_right_up_to_the_largest_magnitude(shared: tuple[Any, Any, Any]) -> None:
    x, first, second = shared
    with sb.local(fraction_bits=0, processes=False, device="cpu", threads=1) as world:
        sum_of_shares = world.secret(first, owner=0) + world.secret(second, owner=1)
        quotients = world.reveal([quotient(sum_of_shares, divisor) for divisor in DIVISORS], to=0)
    for divisor, shown in zip(DIVISORS, quotients, strict=True):
        np.testing.assert_array_equal(shown, (x if divisor > 0 else -x) // abs(divisor), err_msg=f"by {divisor}")


def test_numbers_are_those_of_crypten() -> None:
    with pytest.raises(sb.UsageError, match="check: CrypTen's shares"):
        install("party.toml", check=True)


def test_masks_are_drawn_afresh() -> None:
    masks = drawn((64, 64))
    assert masks.shape == (64, 64)
    assert len(np.unique(np.concatenate([masks.reshape(-1), drawn((64, 64)).reshape(-1)]))) == 2 * 64 * 64


def test_what_counts_as_a_public_integer() -> None:
    assert [integer(y) for y in (3, 2.0, -4, 0, 2.5, float("nan"), float("inf"), 2**32, "3")] == [
        *(3, 2, -4, 0),
        *[None] * 5,
    ]


def test_options_of_convolutions() -> None:
    assert [pair(option) for option in (2, (1, 3), [4])] == [(2, 2), (1, 3), (4, 4)]
    with pytest.raises(sb.UsageError, match="'same'"):
        pair("same")


def test_a_share_on_a_device_is_refused() -> None:
    share = Share(np.zeros(1, dtype=np.int64))
    share.is_cuda = True
    with sb.local(fraction_bits=0, processes=False) as world, pytest.raises(sb.UsageError, match="CUDA"):
        value(world, share, True)
