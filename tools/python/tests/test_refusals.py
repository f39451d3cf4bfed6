"""What is wrong is refused by one line that says what to do, and is told where it is written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import symbolon as sb

DATA: dict[str, tuple[Any, str]] = {
    "objects": (np.array([1, None]), "numbers of up to 64 bits, not object"),
    "text": (["a"], "not <U1"),
    "complex numbers": ([1j], "not complex128"),
    "dates": (np.array(["2020-01-01"], "datetime64[D]"), "not datetime64"),
    "NaN": ([[1.0, 2.0], [np.nan, 3.0]], r"the element at \(1, 0\) is nan: fill it in"),
    "infinity": ([np.inf], "is inf"),
    "five axes": (np.zeros((1, 1, 1, 1, 1)), "there are at most four"),
    "what no element holds": ([1e30], "outside the range"),
    "a large integer": ([2**60], r"beyond what a float holds exactly"),
}


@pytest.mark.parametrize("name", DATA)
def test_data(name: str, world: sb.Session) -> None:
    value, line = DATA[name]
    with pytest.raises(sb.InputError, match=line):
        world.secret(value, owner=0)


def test_the_place_of_a_wrong_number_is_a_field(world: sb.Session) -> None:
    with pytest.raises(sb.InputError) as caught:
        world.secret([[1.0, 2.0], [np.nan, 3.0]], owner=0)
    assert caught.value.index == 2


def test_bounds_are_held(world: sb.Session) -> None:
    with pytest.raises(sb.InputError, match=r"a magnitude of 3\.0, above its bound 2"):
        world.secret([-3.0], owner=0, bound=2)
    with pytest.raises(sb.UsageError, match="a bound is a positive number"):
        world.secret([-3.0], owner=0, bound=-1)


@pytest.mark.parametrize("ring_bits", [32, 64])
def test_integers_are_of_the_ring(ring_bits: int) -> None:
    with sb.local(processes=False, device="cpu", threads=1, ring_bits=ring_bits, fraction_bits=0) as world:
        for good in (np.array([-(2**31), 2**31 - 1], np.int32), np.array([0, 2**32 - 1], np.uint32), [True]):
            secret = world.secret(good, owner=1)
            np.testing.assert_array_equal(secret.reveal(), np.asarray(good).astype(np.int64))
        with pytest.raises(sb.InputError, match="on integers"):
            world.secret([0.5], owner=0)
        if ring_bits == 32:
            with pytest.raises(sb.InputError, match="does not fit into 32 bits"):
                world.secret([2**40], owner=0)


SHAPES: dict[str, tuple[Callable[[Any, Any], Any], tuple[int, ...], tuple[int, ...]]] = {
    "broadcasting": (lambda x, y: x + y, (2, 3), (4,)),
    "a matrix product": (lambda x, y: x @ y, (2, 3), (4,)),
    "a concatenation": (lambda x, y: np.concatenate([x, y[None]]), (2, 3), (1, 4)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit_are_both_named(name: str, world: sb.Session) -> None:
    op, left, right = SHAPES[name]
    x, y = world.secret(np.ones((2, 3)), owner=0, name=None), world.secret(np.ones(4), owner=1)
    with pytest.raises(sb.ProgramError) as caught:
        op(x, y)
    assert (caught.value.left, caught.value.right) == (left, right)
    assert str(left) in str(caught.value)
    assert str(right) in str(caught.value)


ASKED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "bool": (lambda x: bool(x[0] > 0), "write np.where"),
    "if": (lambda x: 1 if x[0] else 2, "write np.where"),
    "float": (lambda x: float(x[0]), "x.reveal"),
    "int": (lambda x: int(x[0]), "x.reveal"),
    "iteration": (lambda x: list(x), r"write x\[i\]"),
    "in": (lambda x: 1.0 in x, "np.any"),
    "assignment": (lambda x: x.__setitem__(0, 1.0), "np.where"),
    "np.asarray": (lambda x: np.asarray(x), "x.reveal"),
    "an index": (lambda x: [1, 2][x[0]], "sb.lookup"),
    "an index of a secret": (lambda x: x[x > 0], "sb.lookup"),
    "pickle": (lambda x: pickle.dumps(x), "belongs to its session"),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_only_a_revealed_value_can_answer(name: str, world: sb.Session) -> None:
    ask, line = ASKED[name]
    with pytest.raises(sb.SecretError, match=line):
        ask(world.secret([1234.5, 2.0], owner=0))


def test_a_representation_shows_no_secret(world: sb.Session) -> None:
    x = world.secret([[1234.5]], owner=1, name="salary", resident=True)
    assert repr(x) == "<secret float64 (1, 1) of party 1, resident>"
    for shown in (repr(x * 2), str(x), f"{x}", str(x.plan()), x.session._world.job([(x._node, [0])])):
        assert "1234" not in shown


def test_sessions_do_not_mix(world: sb.Session) -> None:
    x = world.secret([1.0], owner=0)
    with sb.local(processes=False, device="cpu", threads=1) as other:
        y = other.secret([1.0], owner=0)
        with pytest.raises(sb.OtherSessionError, match="another session"):
            _ = x + y
        with pytest.raises(sb.OtherSessionError, match="another session"):
            other.reveal(x)
    for use in (lambda: y + 1, y.reveal, y.plan, lambda: other.secret([1.0], owner=0)):
        with pytest.raises(sb.ClosedError, match="the session is closed"):
            use()


USAGE: dict[str, tuple[Callable[[], Any], str]] = {
    "a protocol": (lambda: sb.local("spdz"), "spdz"),
    "an option": (lambda: sb.local(gpu="yes"), "--gpu"),
    "a size": (lambda: sb.local(budget="2 apples"), "a size is a whole number and a unit"),
    "a ring": (lambda: sb.local(ring_bits=48), "48"),
    "fraction bits": (lambda: sb.local(ring_bits=32, fraction_bits=40), "fraction_bits = 40"),
    "a truncation": (lambda: sb.local(truncation="round"), "stochastic"),
}


@pytest.mark.parametrize("name", USAGE)
def test_settings(name: str) -> None:
    ask, line = USAGE[name]
    with pytest.raises(sb.UsageError, match=line):
        ask()


def test_parties_and_names(world: sb.Session) -> None:
    x = world.secret([1.0], owner=0, name="income")
    for use, line in (
        (lambda: world.secret([1.0], owner=7), "there is no party 7"),
        (lambda: x.reveal(to=[0, 9]), "there is no party 9"),
        (lambda: x.reveal(to=[]), "name at least one party"),
        (lambda: world.secret([1.0], owner=0, name="income"), "named 'income' already"),
        (lambda: world.secret([1.0], owner=0, name="relu"), "a function has that name"),
        (lambda: world.secret([1.0], owner=0, name="v3"), "are taken"),
        (lambda: world.secret([1.0], owner=0, name="../x"), "begins with a letter"),
    ):
        with pytest.raises(sb.UsageError, match=line):
            use()
    for use, line in (
        (lambda: world.secret(None, owner=1), "say its shape"),
        (lambda: world.secret(None, owner=1, shape=(2,)), "is here, and its data is None"),
        (lambda: world.secret([1.0], owner=0, shape=(2,)), r"\(2,\) is declared"),
    ):
        with pytest.raises(sb.InputError, match=line):
            use()


def test_what_can_overflow_is_refused_and_the_session_goes_on(world: sb.Session) -> None:
    x = world.secret([1.0], owner=0, bound=2.0**40)
    with pytest.raises(sb.ProgramError):
        (x * x).reveal()
    assert float(x.reveal()[0]) == 1.0


def test_a_public_array_enters_once(world: sb.Session) -> None:
    x = world.secret([1.0, 2.0], owner=0)
    y = (x + np.array([3.0, 4.0])) * np.array([3.0, 4.0])
    assert x.session._world.job([(y._node, [0])]).count("owner = 0") == 2
    np.testing.assert_allclose(y.reveal(), [12.0, 24.0], atol=1e-3)


def test_constants_are_finite_numbers(world: sb.Session) -> None:
    x = world.secret([1.0], owner=0)
    with pytest.raises(sb.ProgramError, match="finite"):
        _ = x * float("nan")
    with pytest.raises(TypeError):
        _ = x + "1"
    with pytest.raises(sb.InputError, match="objects"):
        _ = x + np.array([None])
