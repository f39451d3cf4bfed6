"""Functions and idioms against NumPy: each is written once, and computed on plain arrays and on secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import symbolon as sb
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Idiom = Callable[[Any, Any, Any, Any], Any]

# Of x and y, matrices (3, 4) between -8 and 8; p, of their shape between 1/4 and 8; and v, a vector of 4.
EXACT: dict[str, Idiom] = {
    "x + y": lambda x, y, p, v: x + y,
    "x - y": lambda x, y, p, v: x - y,
    "x * y": lambda x, y, p, v: x * y,
    "-x": lambda x, y, p, v: -x,
    "+x": lambda x, y, p, v: +x,
    "abs(x)": lambda x, y, p, v: abs(x),
    "2 - x": lambda x, y, p, v: 2 - x,
    "x * 0.5": lambda x, y, p, v: x * 0.5,
    "x / 4": lambda x, y, p, v: x / 4,
    "x // 3": lambda x, y, p, v: x // 3,
    "x % 2": lambda x, y, p, v: x % 2,
    "x ** 2": lambda x, y, p, v: x**2,
    "x ** 0": lambda x, y, p, v: x**0,
    "x @ y.T": lambda x, y, p, v: x @ y.T,
    "x @ v": lambda x, y, p, v: x @ v,
    "v @ x.T": lambda x, y, p, v: v @ x.T,
    "v @ v": lambda x, y, p, v: v @ v,
    "x + v": lambda x, y, p, v: x + v,
    "x * v[None]": lambda x, y, p, v: x * v[None],
    "x + array": lambda x, y, p, v: x + np.arange(4.0),
    "array - x": lambda x, y, p, v: np.arange(4.0) - x,
    "array @ x.T": lambda x, y, p, v: np.ones((2, 4)) @ x.T,
    "x < y": lambda x, y, p, v: x < y,
    "x <= y": lambda x, y, p, v: x <= y,
    "x > 1": lambda x, y, p, v: x > 1,
    "1 >= x": lambda x, y, p, v: 1 >= x,  # noqa: SIM300
    "x == y": lambda x, y, p, v: x == y,
    "x != v": lambda x, y, p, v: x != v,
    "(x < y) & (y < p)": lambda x, y, p, v: (x < y) & (y < p),
    "(x < y) | ~(y < p)": lambda x, y, p, v: (x < y) | ~(y < p),
    "(x < y) ^ (y < p)": lambda x, y, p, v: (x < y) ^ (y < p),
    "(x < y) * x": lambda x, y, p, v: (x < y) * x,
    "x[1]": lambda x, y, p, v: x[1],
    "x[-1, 2]": lambda x, y, p, v: x[-1, 2],
    "x[:, ::2]": lambda x, y, p, v: x[:, ::2],
    "x[::-1, ...]": lambda x, y, p, v: x[::-1, ...],
    "x[..., 3:0:-2]": lambda x, y, p, v: x[..., 3:0:-2],
    "x[:, None, 1]": lambda x, y, p, v: x[:, None, 1],
    "x[[2, 0, 0]]": lambda x, y, p, v: x[[2, 0, 0]],
    "x[:, mask]": lambda x, y, p, v: x[:, np.array([True, False, False, True])],
    "x[2:1]": lambda x, y, p, v: x[2:1],
    "x.reshape(2, -1)": lambda x, y, p, v: x.reshape(2, -1),
    "x.ravel()": lambda x, y, p, v: x.ravel(),
    "x.sum()": lambda x, y, p, v: x.sum(),
    "x.sum(axis=(0, 1), keepdims=True)": lambda x, y, p, v: x.sum(axis=(0, 1), keepdims=True),
    "x.mean(axis=-1, keepdims=True)": lambda x, y, p, v: x.mean(axis=-1, keepdims=True),
    "x.max()": lambda x, y, p, v: x.max(),
    "x.min(axis=0)": lambda x, y, p, v: x.min(axis=0),
    "x.argmax(axis=1)": lambda x, y, p, v: x.argmax(axis=1),
    "x.argmin()": lambda x, y, p, v: x.argmin(),
    "x.clip(-1, 2)": lambda x, y, p, v: x.clip(-1, 2),
    "(x > 0).any(axis=0)": lambda x, y, p, v: (x > 0).any(axis=0),
    "(x > 0).all()": lambda x, y, p, v: (x > 0).all(),
    "np.add": lambda x, y, p, v: np.add(x, y),
    "np.add.reduce": lambda x, y, p, v: np.add.reduce(x),
    "np.subtract": lambda x, y, p, v: np.subtract(x, v),
    "np.multiply": lambda x, y, p, v: np.multiply(2, x),
    "np.negative": lambda x, y, p, v: np.negative(x),
    "np.square": lambda x, y, p, v: np.square(x),
    "np.maximum": lambda x, y, p, v: np.maximum(x, y),
    "np.minimum": lambda x, y, p, v: np.minimum(1.5, x),
    "np.sign": lambda x, y, p, v: np.sign(x),
    "np.heaviside": lambda x, y, p, v: np.heaviside(x, 0.5),
    "np.signbit": lambda x, y, p, v: np.signbit(x),
    "np.logical_and": lambda x, y, p, v: np.logical_and(x, y),
    "np.logical_or": lambda x, y, p, v: np.logical_or(x < 0, y < 0),
    "np.logical_not": lambda x, y, p, v: np.logical_not(x),
    "np.where": lambda x, y, p, v: np.where(x < y, x, y),
    "np.where of constants": lambda x, y, p, v: np.where(x < y, 1, -2.5),
    "np.where of a constant": lambda x, y, p, v: np.where(x < y, 3, v),
    "np.where with a row": lambda x, y, p, v: np.where(v > 0, x, y),
    "np.sum": lambda x, y, p, v: np.sum(x, axis=1, keepdims=True),
    "np.mean": lambda x, y, p, v: np.mean(x),
    "np.max": lambda x, y, p, v: np.max(x, axis=1),
    "np.ptp": lambda x, y, p, v: np.ptp(x, axis=1),
    "np.argmin": lambda x, y, p, v: np.argmin(x, axis=0),
    "np.count_nonzero": lambda x, y, p, v: np.count_nonzero(x > y, axis=1),
    "np.cumsum": lambda x, y, p, v: np.cumsum(x, axis=1),
    "np.diff": lambda x, y, p, v: np.diff(x, axis=1),
    "np.prod": lambda x, y, p, v: np.prod(x[:, :2], axis=1),
    "np.transpose": lambda x, y, p, v: np.transpose(x.reshape(3, 2, 2), (2, 0, 1)),
    "np.reshape": lambda x, y, p, v: np.reshape(x, (2, 3, 2)),
    "np.squeeze": lambda x, y, p, v: np.squeeze(x[:1, :, None]),
    "np.expand_dims": lambda x, y, p, v: np.expand_dims(x, (0, -1)),
    "np.swapaxes": lambda x, y, p, v: np.swapaxes(x.reshape(3, 2, 2), 0, -1),
    "np.moveaxis": lambda x, y, p, v: np.moveaxis(x.reshape(3, 2, 2), 0, 2),
    "np.broadcast_to": lambda x, y, p, v: np.broadcast_to(v, (2, 3, 4)),
    "np.concatenate": lambda x, y, p, v: np.concatenate([x, y, x], axis=1),
    "np.concatenate of an array": lambda x, y, p, v: np.concatenate([x, np.ones((1, 4))]),
    "np.stack": lambda x, y, p, v: np.stack([x, y], axis=-1),
    "np.vstack": lambda x, y, p, v: np.vstack([x, v]),
    "np.hstack": lambda x, y, p, v: np.hstack([v, v]),
    "np.split": lambda x, y, p, v: np.split(x, 2, axis=1)[1],
    "np.flip": lambda x, y, p, v: np.flip(x),
    "np.fliplr": lambda x, y, p, v: np.fliplr(x),
    "np.roll": lambda x, y, p, v: np.roll(x, 2, axis=1),
    "np.repeat": lambda x, y, p, v: np.repeat(x, 2, axis=0),
    "np.tile": lambda x, y, p, v: np.tile(x, (2, 1)),
    "np.take": lambda x, y, p, v: np.take(x, [[0, 3], [-1, 0]], axis=1),
    "np.diagonal": lambda x, y, p, v: np.diagonal(x, 1),
    "np.trace": lambda x, y, p, v: np.trace(x),
    "np.dot": lambda x, y, p, v: np.dot(x, v),
    "np.inner": lambda x, y, p, v: np.inner(x, y),
    "np.outer": lambda x, y, p, v: np.outer(v, v),
    "np.vdot": lambda x, y, p, v: np.vdot(x, y),
    "np.histogram": lambda x, y, p, v: np.histogram(x, [-8.0, -1.0, 0.5, 8.0])[0],
    "np.clip": lambda x, y, p, v: np.clip(x, None, 1),
    "np.atleast_2d": lambda x, y, p, v: np.atleast_2d(v),
    "x * np.zeros_like(x)": lambda x, y, p, v: x * np.zeros_like(x),
}

SMOOTH: dict[str, Idiom] = {
    "x / p": lambda x, y, p, v: x / p,
    "1 / p": lambda x, y, p, v: 1 / p,
    "p ** 0.5": lambda x, y, p, v: p**0.5,
    "p ** -1": lambda x, y, p, v: p**-1,
    "x ** 3": lambda x, y, p, v: x**3,
    "x.var(axis=1)": lambda x, y, p, v: x.var(axis=1),
    "x.std()": lambda x, y, p, v: x.std(),
    "np.var with ddof": lambda x, y, p, v: np.var(x, axis=0, ddof=1),
    "np.exp": lambda x, y, p, v: np.exp(x * 0.25),
    "np.exp2": lambda x, y, p, v: np.exp2(x * 0.25),
    "np.expm1": lambda x, y, p, v: np.expm1(x * 0.25),
    "np.log": lambda x, y, p, v: np.log(p),
    "np.log2": lambda x, y, p, v: np.log2(p),
    "np.log10": lambda x, y, p, v: np.log10(p),
    "np.log1p": lambda x, y, p, v: np.log1p(p),
    "np.sqrt": lambda x, y, p, v: np.sqrt(p),
    "np.reciprocal": lambda x, y, p, v: np.reciprocal(p),
    "np.tanh": lambda x, y, p, v: np.tanh(x),
    "np.sinh": lambda x, y, p, v: np.sinh(x * 0.25),
    "np.cosh": lambda x, y, p, v: np.cosh(x * 0.25),
    "np.hypot": lambda x, y, p, v: np.hypot(p, x),
    "np.logaddexp": lambda x, y, p, v: np.logaddexp(x, y),
    "np.deg2rad": lambda x, y, p, v: np.deg2rad(x),
    "np.linalg.norm": lambda x, y, p, v: np.linalg.norm(p, axis=1),
    "np.average": lambda x, y, p, v: np.average(x, axis=1, weights=p),
    "np.cov": lambda x, y, p, v: np.cov(x),
}


def arrays(low: int, high: int, shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """Numbers that fixed point holds: multiples of 1/16."""
    sixteenths = st.integers(16 * low, 16 * high).map(lambda number: number / 16)
    return hnp.arrays(np.float64, shape, elements=sixteenths)


FEW = settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Runs take a while: what fails is shown as it is found.
    phases=[Phase.explicit, Phase.generate],
)
OPERANDS = {
    "x": arrays(-8, 8, (3, 4)),
    "y": arrays(-8, 8, (3, 4)),
    "p": arrays(0, 8, (3, 4)).map(lambda array: np.maximum(array, 0.25)),
    "v": arrays(-8, 8, (4,)),
}


def held(world: sb.Session, idiom: Idiom, operands: dict[str, Any], unit: float) -> None:
    """Computes an idiom on secrets of two owners, and holds it against NumPy."""
    expected = np.asarray(idiom(**operands))
    x = world.secret(operands["x"], owner=0, bound=8)
    y = world.secret(operands["y"], owner=1, bound=8)
    p = sb.assume(world.secret(operands["p"], owner=1, bound=8), 0.25, 8)
    v = world.secret(operands["v"], owner=0, bound=8)
    result = idiom(x, y, p, v)
    assert result.shape == expected.shape
    shown = result.reveal()
    # What counts is whole, whatever NumPy makes of it.
    assert np.asarray(shown).dtype.kind == result.dtype.kind
    assert (result.dtype == bool) == (expected.dtype == bool)
    np.testing.assert_allclose(shown, expected, rtol=unit, atol=unit)


@pytest.mark.parametrize("name", EXACT)
@FEW
@given(**OPERANDS)
def test_of_sums_products_and_comparisons(name: str, world: sb.Session, **operands: Any) -> None:
    held(world, EXACT[name], operands, 2e-3)


@pytest.mark.parametrize("name", SMOOTH)
@FEW
@given(**OPERANDS)
def test_of_smooth_functions(name: str, world: sb.Session, **operands: Any) -> None:
    held(world, SMOOTH[name], operands, 1e-2)


INTEGERS: dict[str, Callable[[Any, Any], Any]] = {
    "a + b": lambda a, b: a + b,
    "a * b - 7": lambda a, b: a * b - 7,
    "a @ b.T": lambda a, b: a @ b.T,
    "a < b": lambda a, b: a < b,
    "np.maximum": lambda a, b: np.maximum(a, b),
    "np.abs": lambda a, b: np.abs(a),
    "a.sum(axis=0)": lambda a, b: a.sum(axis=0),
    "np.argmax": lambda a, b: np.argmax(a, axis=1),
    "np.where": lambda a, b: np.where(a == b, a, -1),
    "a[::-1, 1:]": lambda a, b: a[::-1, 1:],
}
WHOLE = hnp.arrays(np.int64, (2, 3), elements=st.integers(-(2**30), 2**30))


@pytest.mark.parametrize("name", INTEGERS)
@FEW
@given(a=WHOLE, b=WHOLE)
def test_of_integers_exactly(name: str, integers: sb.Session, a: Any, b: Any) -> None:
    expected = np.asarray(INTEGERS[name](a, b))
    secret = INTEGERS[name](integers.secret(a, owner=0, bound=2**30), integers.secret(b, owner=1, bound=2**30))
    np.testing.assert_array_equal(secret.reveal(to=1), expected)


def test_corrcoef(world: sb.Session) -> None:
    x = np.array([[1.0, 2.0, 3.0, 5.0], [2.0, 1.0, 4.0, 6.0], [-1.0, 0.0, -2.0, 1.0]])
    shown = np.corrcoef(world.secret(x, owner=0, bound=8)).reveal()
    np.testing.assert_allclose(shown, np.corrcoef(x), atol=5e-3)


def test_what_numpy_has_and_secrets_have_not_is_named(world: sb.Session) -> None:
    x = world.secret([1.0, 2.0], owner=0)
    for call, name in [
        (lambda: np.sin(x), "np.sin takes no secrets"),
        (lambda: np.sort(x), "np.sort takes no secrets"),
        (lambda: np.multiply.accumulate(x), "np.multiply.accumulate takes no secrets"),
        (lambda: np.add(x, x, out=np.zeros(2)), "leave out out="),
        (lambda: np.sum(x, where=[True, False]), "np.sum of a secret"),
    ]:
        with pytest.raises(sb.ProgramError, match=name):
            call()
