"""NumPy's functions of secrets: what `np.maximum(x, y)` and `np.concatenate([x, y])` come to.

`UFUNCS` and `FUNCTIONS` have a row for each. What is not here fails by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ._errors import ProgramError
from ._tensor import (
    Axes,
    Number,
    Tensor,
    axes_of,
    axis_of,
    build,
    gather,
    is_constant,
    power,
    reduce,
    reshape,
    squeeze,
    transpose,
    truths,
)


def secret_of(*values: Any) -> Tensor:
    """The first secret among values."""
    return next(value for value in values if isinstance(value, Tensor))


def as_secret(value: Any, like: Tensor) -> Tensor:
    """A value as a tensor of the same session."""
    return value if isinstance(value, Tensor) else like.session.public(value)


def simple(template: str, is_boolean: bool = False) -> Callable[..., Tensor]:
    """A function that is one step."""
    return lambda *operands: build(template, *operands, is_boolean=is_boolean)


def of_truths(template: str) -> Callable[..., Tensor]:
    """A function of truths that is one step."""
    return lambda *operands: build(template, *truths(*operands), is_boolean=True)


def bitwise(template: str) -> Callable[..., Tensor]:
    """The same, for what NumPy has for the bits of integers too."""

    def function(*operands: Any) -> Tensor:
        if any(isinstance(operand, Tensor) and operand.dtype != bool for operand in operands):
            raise ProgramError("& | ^ ~ are for comparisons: bits of secret integers are not computed on")
        return build(template, *truths(*operands), is_boolean=True)

    return function


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1."""
    return build("({0} > 0) - ({0} < 0)", x)


UFUNCS: dict[np.ufunc, Callable[..., Tensor]] = {
    np.add: simple("{0} + {1}"),
    np.subtract: simple("{0} - {1}"),
    np.multiply: simple("{0} * {1}"),
    np.divide: simple("{0} / {1}"),
    np.floor_divide: simple("{0} // {1}"),
    np.remainder: simple("{0} % {1}"),
    np.matmul: simple("{0} @ {1}"),
    np.negative: simple("-{0}"),
    np.positive: lambda x: x,
    np.absolute: simple("abs({0})"),
    np.fabs: simple("abs({0})"),
    np.square: simple("{0} * {0}"),
    np.maximum: simple("max({0}, {1})"),
    np.minimum: simple("min({0}, {1})"),
    np.fmax: simple("max({0}, {1})"),
    np.fmin: simple("min({0}, {1})"),
    np.sign: sign,
    np.heaviside: lambda x, middle: build("({0} > 0) + ({0} == 0) * {1}", x, middle),
    np.power: power,
    np.float_power: power,
    np.sqrt: simple("sqrt({0})"),
    np.reciprocal: simple("reciprocal({0})"),
    np.exp: simple("exp({0})"),
    np.exp2: lambda x: build("exp({0} * {1})", x, math.log(2)),
    np.expm1: simple("exp({0}) - 1"),
    np.log: simple("log({0})"),
    np.log2: lambda x: build("log({0}) * {1}", x, 1 / math.log(2)),
    np.log10: lambda x: build("log({0}) * {1}", x, 1 / math.log(10)),
    np.log1p: simple("log({0} + 1)"),
    np.logaddexp: lambda x, y: build("max({0}, {1}) + log(exp(-abs({0} - {1})) + 1)", x, y),
    np.hypot: simple("sqrt({0} * {0} + {1} * {1})"),
    np.tanh: simple("tanh({0})"),
    np.sinh: simple("(exp({0}) - exp(-{0})) * 0.5"),
    np.cosh: simple("(exp({0}) + exp(-{0})) * 0.5"),
    np.deg2rad: lambda x: x * (math.pi / 180),
    np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi),
    np.degrees: lambda x: x * (180 / math.pi),
    np.less: simple("{0} < {1}", is_boolean=True),
    np.less_equal: simple("{0} <= {1}", is_boolean=True),
    np.greater: simple("{0} > {1}", is_boolean=True),
    np.greater_equal: simple("{0} >= {1}", is_boolean=True),
    np.equal: simple("{0} == {1}", is_boolean=True),
    np.not_equal: simple("{0} != {1}", is_boolean=True),
    np.signbit: simple("{0} < 0", is_boolean=True),
    np.logical_and: of_truths("{0} * {1}"),
    np.logical_or: of_truths("{0} + {1} - {0} * {1}"),
    np.logical_xor: of_truths("{0} + {1} - 2 * ({0} * {1})"),
    np.logical_not: of_truths("1 - {0}"),
    np.bitwise_and: bitwise("{0} * {1}"),
    np.bitwise_or: bitwise("{0} + {1} - {0} * {1}"),
    np.bitwise_xor: bitwise("{0} + {1} - 2 * ({0} * {1})"),
    np.invert: bitwise("1 - {0}"),
}

REDUCTIONS: dict[np.ufunc, str] = {np.add: "sum", np.maximum: "max", np.minimum: "min"}


def ufunc(function: np.ufunc, method: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
    """A ufunc of secrets, or its reduction."""
    if options.pop("out", None) is not None:
        raise ProgramError(f"np.{function.__name__}: a secret is not written into: leave out out=")
    if method == "reduce" and function in REDUCTIONS and options.keys() <= {"axis", "keepdims"}:
        return reduce(REDUCTIONS[function], inputs[0], options.get("axis", 0), options.get("keepdims", False))
    if method != "__call__" or function not in UFUNCS:
        called = function.__name__ + ("" if method == "__call__" else f".{method}")
        raise ProgramError(f"np.{called} takes no secrets")
    if options:
        raise ProgramError(f"np.{function.__name__} of a secret takes no {', '.join(options)}")
    return UFUNCS[function](*inputs)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """`x` where the condition holds, `y` elsewhere."""
    chosen = truths(condition)[0]
    if not isinstance(chosen, Tensor):
        chosen = secret_of(x, y).session.public(chosen)
    if is_constant(x) or is_constant(y):
        if is_constant(x) and is_constant(y):
            return build("{0} * {1} + {2}", chosen, x - y, y)
        if is_constant(x):
            return build("(1 - {0}) * ({1} - {2}) + {2}", chosen, y, x)
        return build("{0} * ({1} - {2}) + {2}", chosen, x, y)
    x, y = (as_secret(value, chosen) for value in (x, y))
    shape = np.broadcast_shapes(chosen.shape, x.shape, y.shape)
    return build("select({0}, {1}, {2})", chosen, broadcast_to(x, shape), broadcast_to(y, shape))


def broadcast_to(x: Tensor, shape: Any) -> Tensor:
    """Repeated along axes of extent 1, as NumPy broadcasts."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if np.broadcast_shapes(x.shape, shape) != shape:
        raise ProgramError(f"{x.shape} does not broadcast to {shape}")
    x = reshape(x, (1,) * (len(shape) - x.ndim) + x.shape)
    for axis, extent in enumerate(shape):
        if x.shape[axis] != extent:
            x = gather(x, [0] * extent, axis)
    return x


def concatenate(values: Sequence[Any], axis: int | None = 0) -> Tensor:
    """Values one after the other along an axis."""
    like = secret_of(*values)
    parts = [as_secret(value, like) for value in values]
    if axis is None:
        parts, axis = [part.ravel() for part in parts], 0
    if len(parts) == 1:
        return parts[0]
    texts = ", ".join(f"{{{place}}}" for place in range(len(parts)))
    is_boolean = all(part.dtype == bool for part in parts)
    return build(f"concat({texts}, axis={axis_of(axis, like.ndim)})", *parts, is_boolean=is_boolean)


def expand_dims(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """With axes of extent 1 more."""
    places = axis if isinstance(axis, tuple) else (axis,)
    rank = x.ndim + len(places)
    new = axes_of(tuple(places), rank)
    rest = iter(x.shape)
    return reshape(x, [1 if place in new else next(rest) for place in range(rank)])


def stack(values: Sequence[Any], axis: int = 0) -> Tensor:
    """Values beside each other along a new axis."""
    like = secret_of(*values)
    return concatenate([expand_dims(as_secret(value, like), axis) for value in values], axis)


def at_least(rank: int, value: Any) -> Any:
    """With as many axes, in front."""
    return value if value.ndim >= rank else reshape(value, (1,) * (rank - value.ndim) + value.shape)


def vstack(values: Sequence[Any]) -> Tensor:
    """Rows below each other."""
    like = secret_of(*values)
    return concatenate([at_least(2, as_secret(value, like)) for value in values], 0)


def hstack(values: Sequence[Any]) -> Tensor:
    """Columns beside each other."""
    like = secret_of(*values)
    parts = [at_least(1, as_secret(value, like)) for value in values]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


def split(x: Tensor, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Parts along an axis: so many equal ones, or those between places."""
    place = axis_of(axis, x.ndim)
    extent = x.shape[place]
    if isinstance(sections, int):
        if sections < 1 or extent % sections:
            raise ProgramError(f"an axis of extent {extent} has no {sections} equal parts")
        ends = list(range(0, extent + 1, extent // sections))
    else:
        ends = [0, *sections, extent]
    whole = (slice(None),) * place
    return [x[(*whole, slice(start, stop))] for start, stop in pairwise(ends)]


def moveaxis(x: Tensor, source: int, destination: int) -> Tensor:
    """An axis at another place."""
    order = [place for place in range(x.ndim) if place != axis_of(source, x.ndim)]
    order.insert(axis_of(destination, x.ndim), axis_of(source, x.ndim))
    return transpose(x, order)


def flip(x: Tensor, axis: Axes = None) -> Tensor:
    """The elements along axes in the opposite order."""
    turned = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if place in turned else 1) for place in range(x.ndim))]


def roll(x: Tensor, shift: int, axis: int | None = None) -> Tensor:
    """The elements moved along an axis; those that leave it come back at its other end."""
    if axis is None:
        return reshape(roll(x.ravel(), shift, 0), x.shape)
    extent = x.shape[axis_of(axis, x.ndim)]
    return gather(x, [(place - shift) % extent for place in range(extent)], axis_of(axis, x.ndim))


def repeat(x: Tensor, repeats: int, axis: int | None = None) -> Tensor:
    """Every element several times."""
    x, place = (x.ravel(), 0) if axis is None else (x, axis_of(axis, x.ndim))
    return gather(x, [index for index in range(x.shape[place]) for _ in range(repeats)], place)


def tile(x: Tensor, repeats: int | Sequence[int]) -> Tensor:
    """The whole of it several times along each axis."""
    counts = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    x = at_least(len(counts), x)
    for axis, count in enumerate((1,) * (x.ndim - len(counts)) + counts):
        if count != 1:
            x = gather(x, list(range(x.shape[axis])) * count, axis)
    return x


def take(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """The elements at public indices."""
    x, place = (x.ravel(), 0) if axis is None else (x, axis_of(axis, x.ndim))
    places = np.asarray(indices)
    part = x[(*((slice(None),) * place), places.ravel())]
    return reshape(part, (*x.shape[:place], *places.shape, *x.shape[place + 1 :]))


def diagonal(x: Tensor, offset: int = 0) -> Tensor:
    """The elements on a diagonal of a matrix."""
    if x.ndim != 2:
        raise ProgramError(f"a matrix has a diagonal, and this has {x.ndim} axes")
    rows, cols = x.shape
    places = [row * cols + row + offset for row in range(rows) if 0 <= row + offset < cols]
    return gather(x.ravel(), places, 0)


def prod(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The product along an axis, or of all elements, by halves."""
    shape = x.shape
    x, place = (x.ravel(), 0) if axis is None else (x, axis_of(axis, x.ndim))
    x = moveaxis(x, place, 0)
    while x.shape[0] > 1:
        half = x.shape[0] // 2
        both = x[:half] * x[half : 2 * half]
        x = both if x.shape[0] % 2 == 0 else concatenate([both, x[2 * half :]])
    if not keepdims:
        return x[0]
    return reshape(x, [1 if axis is None or at == place else extent for at, extent in enumerate(shape)])


def cumsum(x: Tensor, axis: int | None = None) -> Tensor:
    """Running sums, by sums of neighbours at doubled distances."""
    x, place = (x.ravel(), 0) if axis is None else (x, axis_of(axis, x.ndim))
    x, distance = moveaxis(x, place, 0), 1
    while distance < x.shape[0]:
        x = concatenate([x[:distance], x[distance:] + x[:-distance]])
        distance *= 2
    return moveaxis(x, 0, place)


def diff(x: Tensor, n: int = 1, axis: int = -1) -> Tensor:
    """The differences of neighbours along an axis."""
    place = axis_of(axis, x.ndim)
    whole = (slice(None),) * place
    for _ in range(n):
        x = x[(*whole, slice(1, None))] - x[(*whole, slice(None, -1))]
    return x


def dot(x: Any, y: Any) -> Tensor:
    """The matrix product; the product where one is a single number."""
    single = any(is_constant(value) or np.ndim(value) == 0 for value in (x, y) if not isinstance(value, Tensor))
    single = single or any(value.ndim == 0 for value in (x, y) if isinstance(value, Tensor))
    return build("{0} * {1}" if single else "{0} @ {1}", x, y)


def outer(x: Any, y: Any) -> Tensor:
    """All products of two vectors' elements."""
    like = secret_of(x, y)
    x, y = (as_secret(value, like) for value in (x, y))
    product: Tensor = reshape(x, (-1, 1)) * reshape(y, (1, -1))
    return product


def inner(x: Any, y: Any) -> Tensor:
    """The products of rows with rows."""
    like = secret_of(x, y)
    x, y = (as_secret(value, like) for value in (x, y))
    product: Tensor = x @ y.T
    return product


def vdot(x: Any, y: Any) -> Tensor:
    """The sum of the products of all elements."""
    like = secret_of(x, y)
    return as_secret(x, like).ravel() @ as_secret(y, like).ravel()


def trace(x: Tensor) -> Tensor:
    """The sum of the diagonal."""
    return diagonal(x).sum()


def norm(x: Tensor, ord: Any = None, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The length: the root of the sum of squares; with `ord` 1 or inf the sum or the largest of magnitudes."""
    if ord is None or (ord == 2 and (axis is not None or x.ndim == 1)):
        return build("sqrt({0})", (x * x).sum(axis, keepdims))
    if ord in (1, np.inf) and (isinstance(axis, int) or x.ndim == 1):
        return abs(x).sum(axis, keepdims) if ord == 1 else abs(x).max(axis, keepdims)
    raise ProgramError(f"ord = {ord}: of secrets there are the norms 1, 2 and inf of vectors, and that of all elements")


def cov(x: Tensor, rowvar: bool = True, ddof: int | None = None) -> Tensor:
    """The covariance matrix of variables, of which each is a row."""
    x = x if rowvar else x.T
    centred = x - x.mean(1, keepdims=True)
    products: Tensor = centred @ centred.T
    return products * (1 / (x.shape[1] - (1 if ddof is None else ddof)))


def corrcoef(x: Tensor, rowvar: bool = True) -> Tensor:
    """The correlations of variables, of which each is a row; those with one that is constant are 0."""
    x = x if rowvar else x.T
    centred = x - x.mean(1, keepdims=True)
    scaled = centred * build("rsqrt({0})", (centred * centred).mean(1, keepdims=True))
    # No element of n is further from their mean than the root of n standard deviations.
    most = math.sqrt(x.shape[1])
    scaled = build("assume({0}, {1}, {2})", scaled, -2 * most, 2 * most) * (1 / most)
    correlations: Tensor = scaled @ scaled.T
    return correlations


def average(x: Tensor, axis: Axes = None, weights: Any = None) -> Tensor:
    """The mean, or with weights of the elements' shape the weighted one."""
    if weights is None:
        return x.mean(axis)
    weights = as_secret(weights, x)
    weighted: Tensor = (x * weights).sum(axis) / weights.sum(axis)
    return weighted


def histogram(x: Tensor, bins: Any) -> tuple[Tensor, Any]:
    """How many elements lie between public edges, the last of which belongs to the last bin."""
    edges = np.asarray(bins)
    if edges.ndim != 1 or len(edges) < 2:
        raise ProgramError("the bins of a secret's histogram are public edges, since its range is not known")
    below = [(x < float(edge)).sum() for edge in edges[:-1]] + [(x <= float(edges[-1])).sum()]
    return diff(stack(below)), edges


def clip(x: Tensor, a_min: Number | None = None, a_max: Number | None = None) -> Tensor:
    """Each element, or an end where it is beyond it."""
    return x.clip(a_min, a_max)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: Tensor.sum,
    np.mean: Tensor.mean,
    np.var: Tensor.var,
    np.std: Tensor.std,
    np.max: Tensor.max,
    np.amax: Tensor.max,
    np.min: Tensor.min,
    np.amin: Tensor.min,
    np.ptp: lambda x, axis=None: x.max(axis) - x.min(axis),
    np.argmax: Tensor.argmax,
    np.argmin: Tensor.argmin,
    np.any: Tensor.any,
    np.all: Tensor.all,
    np.count_nonzero: lambda x, axis=None, keepdims=False: truths(x)[0].sum(axis, keepdims),
    np.prod: prod,
    np.cumsum: cumsum,
    np.diff: diff,
    np.where: where,
    np.clip: clip,
    np.transpose: transpose,
    np.reshape: reshape,
    np.ravel: Tensor.ravel,
    np.squeeze: squeeze,
    np.expand_dims: expand_dims,
    np.swapaxes: Tensor.swapaxes,
    np.moveaxis: moveaxis,
    np.broadcast_to: broadcast_to,
    np.concatenate: concatenate,
    np.stack: stack,
    np.vstack: vstack,
    np.hstack: hstack,
    np.split: split,
    np.flip: flip,
    np.fliplr: lambda x: flip(x, 1),
    np.flipud: lambda x: flip(x, 0),
    np.roll: roll,
    np.repeat: repeat,
    np.tile: tile,
    np.take: take,
    np.diagonal: diagonal,
    np.trace: trace,
    np.dot: dot,
    np.inner: inner,
    np.outer: outer,
    np.vdot: vdot,
    np.linalg.norm: norm,
    np.cov: cov,
    np.corrcoef: corrcoef,
    np.average: average,
    np.histogram: histogram,
    np.atleast_1d: lambda x: at_least(1, x),
    np.atleast_2d: lambda x: at_least(2, x),
    np.zeros_like: lambda x: np.zeros(x.shape),
    np.ones_like: lambda x: np.ones(x.shape),
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
}


def function(called: Any, args: Any, options: dict[str, Any]) -> Any:
    """A function of NumPy that is no ufunc."""
    if called not in FUNCTIONS:
        raise ProgramError(f"np.{called.__name__} takes no secrets")
    try:
        return FUNCTIONS[called](*args, **options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise ProgramError(f"np.{called.__name__} of a secret: {error}") from None
