"""The functions of the job language: every one is here, with its types and a call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import symbolon as sb
from symbolon import _language

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
IMAGES = np.arange(32.0).reshape(1, 2, 4, 4) / 16


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def normal(x: np.ndarray) -> np.ndarray:
    from math import erf

    return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2


# Calls of functions, and what they give in the clear.
CALLS = {
    "abs": (lambda x, i: sb.abs(x), lambda: np.abs(X)),
    "argmax": (lambda x, i: sb.argmax(x, axis=1), lambda: X.argmax(axis=1)),
    "argmin": (lambda x, i: sb.argmin(x, axis=-1, keepdims=True), lambda: X.argmin(axis=-1, keepdims=True)),
    "assume": (lambda x, i: sb.assume(x, -5, 5), lambda: X),
    "avgpool2d": (lambda x, i: sb.avgpool2d(i, size=2), lambda: IMAGES.reshape(1, 2, 2, 2, 2, 2).mean(axis=(3, 5))),
    "batchnorm": (
        lambda x, i: sb.batchnorm(i, x[0, :2] * 0, x[0, :2] * 0 + 1, x[0, :2] * 0 + 2, x[0, :2] * 0 + 1),
        lambda: IMAGES * 2 + 1,
    ),
    "clip": (lambda x, i: sb.clip(x, -1, 1), lambda: X.clip(-1, 1)),
    "concat": (lambda x, i: sb.concat(x, x, axis=0), lambda: np.concatenate([X, X])),
    "conv2d": (
        lambda x, i: sb.conv2d(i, i[:, :, :1, :1], x[0, :1], stride=1, padding=0),
        lambda: (IMAGES[:, :1] * IMAGES[0, 0, 0, 0] + IMAGES[:, 1:] * IMAGES[0, 1, 0, 0]) + 1,
    ),
    "conv1d": (
        lambda x, i: sb.conv1d(i[:, :, 0], i[0, :, :1, :2].reshape(2, 1, 2), stride=2, groups=2),
        lambda: (IMAGES[:, :, 0].reshape(1, 2, 2, 2) * IMAGES[0, :, :1, :2].reshape(1, 2, 1, 2)).sum(axis=-1),
    ),
    "conv_transpose1d": (
        lambda x, i: sb.conv_transpose1d(i[:, :, 0], i[0, :, :1, :2].reshape(2, 1, 2), stride=2, groups=2),
        lambda: np.stack([np.kron(IMAGES[0, at, 0], IMAGES[0, at, 0, :2]) for at in (0, 1)])[None],
    ),
    "conv_transpose2d": (
        lambda x, i: sb.conv_transpose2d(i, i[0, :, :2, :2].reshape(2, 1, 2, 2), stride=(2, 2), groups=2),
        lambda: np.stack([np.kron(IMAGES[0, at], IMAGES[0, at, :2, :2]) for at in (0, 1)])[None],
    ),
    "clip_norm": (lambda x, i: sb.clip_norm(x, 1), lambda: X / np.linalg.norm(X)),
    "cumsum": (lambda x, i: sb.cumsum(x, axis=1), lambda: X.cumsum(axis=1)),
    "einsum": (lambda x, i: sb.einsum("ij,kj->ik", x, x), lambda: X @ X.T),
    "exp": (lambda x, i: sb.exp(x), lambda: np.exp(X)),
    "gather": (lambda x, i: sb.gather(x, [2, 0], axis=1), lambda: X[:, [2, 0]]),
    "gelu": (lambda x, i: sb.gelu(x), lambda: normal(X)),
    "group_count": (lambda x, i: sb.group_count(x[0] // 1), lambda: [1, 1, 1]),
    "group_mean": (lambda x, i: sb.group_mean(x[0], x[1] > 0), lambda: [0.5, -0.5, 0]),
    "group_sum": (
        lambda x, i: sb.group_sum(x, [1, 0, 1], axis=1),
        lambda: np.stack([X[:, 1], X[:, 0] + X[:, 2]], axis=1),
    ),
    "grad": (lambda x, i: sb.grad(sb.sum(x * x), x), lambda: 2 * X),
    "isin": (lambda x, i: sb.isin(x, x[:, 1]), lambda: np.isin(X, X[:, 1])),
    "join": (lambda x, i: sb.join(x[0], x[0, :2], x[1, :2]), lambda: [0.25, 3.0, 0]),
    "layernorm": (
        lambda x, i: sb.layernorm(x, axis=-1, eps=1e-3),
        lambda: (X - X.mean(axis=1, keepdims=True)) / np.sqrt(X.var(axis=1, keepdims=True) + 1e-3),
    ),
    "leaky_relu": (lambda x, i: sb.leaky_relu(x, 0.1), lambda: np.where(X < 0, 0.1 * X, X)),
    "log": (lambda x, i: sb.log(sb.abs(x)), lambda: np.log(np.abs(X))),
    "lookup": (lambda x, i: sb.lookup(x.T, sb.argmax(x, axis=1)), lambda: X.T[X.argmax(axis=1)]),
    "max": (lambda x, i: sb.max(x, 0.5), lambda: np.maximum(X, 0.5)),
    "maxpool2d": (
        lambda x, i: sb.maxpool2d(i, size=2, stride=2),
        lambda: IMAGES.reshape(1, 2, 2, 2, 2, 2).max(axis=(3, 5)),
    ),
    "mean": (lambda x, i: sb.mean(x, axis=0), lambda: X.mean(axis=0)),
    "median": (lambda x, i: sb.median(x, axis=1), lambda: np.median(X, axis=1)),
    "min": (lambda x, i: sb.min(x, -x), lambda: np.minimum(X, -X)),
    "momentum": (lambda x, i: sb.momentum(x, x, beta=0.5), lambda: 1.5 * X),
    "mse": (lambda x, i: sb.mse(x, 2 * x), lambda: (X**2).mean()),
    "norm": (lambda x, i: sb.norm(x), lambda: np.linalg.norm(X)),
    "one_hot": (lambda x, i: sb.one_hot(sb.argmax(x, axis=1), 3), lambda: np.eye(3)[X.argmax(axis=1)]),
    "reciprocal": (lambda x, i: sb.reciprocal(x), lambda: 1 / X),
    "relu": (lambda x, i: sb.relu(x), lambda: X.clip(0)),
    "reshape": (lambda x, i: sb.reshape(x, 3, 2), lambda: X.reshape(3, 2)),
    "rsqrt": (lambda x, i: sb.rsqrt(sb.abs(x)), lambda: 1 / np.sqrt(np.abs(X))),
    "select": (lambda x, i: sb.select(x < 0, x, -x), lambda: np.where(X < 0, X, -X)),
    "sgd": (lambda x, i: sb.sgd(x, x, 0.25), lambda: 0.75 * X),
    "sigmoid": (lambda x, i: sb.sigmoid(x), lambda: 1 / (1 + np.exp(-X))),
    "silu": (lambda x, i: sb.silu(x), lambda: X / (1 + np.exp(-X))),
    "softmax": (lambda x, i: sb.softmax(x, axis=1), lambda: softmax(X)),
    "solve": (
        lambda x, i: sb.solve(sb.abs(x[:1, :1]) + 1, x[:1, 0]),
        lambda: np.linalg.solve(np.abs(X[:1, :1]) + 1, X[:1, 0]),
    ),
    "sort": (lambda x, i: sb.sort(x), lambda: np.sort(X)),
    "sqrt": (lambda x, i: sb.sqrt(sb.abs(x)), lambda: np.sqrt(np.abs(X))),
    "squeeze": (lambda x, i: sb.squeeze(x[:1], axis=0), lambda: X[0]),
    "std": (lambda x, i: sb.std(x, axis=1), lambda: X.std(axis=1)),
    "sum": (lambda x, i: sb.sum(i, axis=(1, -1)), lambda: IMAGES.sum(axis=(1, -1))),
    "tanh": (lambda x, i: sb.tanh(x), lambda: np.tanh(X)),
    "transpose": (lambda x, i: sb.transpose(x), lambda: X.T),
    "unique": (lambda x, i: sb.unique(x[0] * 0 + 1), lambda: [1, 0, 0]),
    "var": (lambda x, i: sb.var(x, axis=1), lambda: X.var(axis=1)),
}


def test_every_function_is_there() -> None:
    assert len(_language.TABLE) >= 35
    for name, (forms, _) in _language.TABLE.items():
        assert forms[0] in getattr(sb, name).__doc__
        assert name in sb.__all__


@pytest.mark.parametrize("name", CALLS)
def test_functions(name: str, world: sb.Session) -> None:
    call, expected = CALLS[name]
    x, images = world.secret(X, owner=0, bound=4), world.secret(IMAGES, owner=1, bound=4)
    np.testing.assert_allclose(call(x, images).reveal(), expected(), rtol=1e-2, atol=1e-2)


def test_the_stub_is_that_of_the_table() -> None:
    stub = Path(_language.__file__).with_suffix(".pyi")
    assert stub.read_text(encoding="utf-8") == _language._stub(), "run `python -m symbolon._language` on the source"


def test_arguments_that_no_form_has_are_refused(world: sb.Session) -> None:
    x = world.secret(X, owner=0)
    with pytest.raises(sb.ProgramError, match="softmax is called as softmax"):
        sb.softmax(x, dim=1)
    with pytest.raises(sb.ProgramError, match="none of the arguments is a secret"):
        sb.relu(X)
