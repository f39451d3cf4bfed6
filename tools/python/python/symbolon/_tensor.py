"""Secret tensors: values that are not computed yet, and that nobody has seen.

A `Tensor` stands for a step of the job language on other tensors. Nothing runs until `reveal`; what does not fit fails
where it is written.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._errors import ProgramError, SecretError

if TYPE_CHECKING:
    from ._session import Plan, Session

Number: TypeAlias = "bool | int | float | np.generic"
Value: TypeAlias = "Tensor | Number | NDArray[Any] | Sequence[Any]"
Axes: TypeAlias = "int | tuple[int, ...] | None"
Recipients: TypeAlias = "int | Sequence[int] | None"


class Tensor:
    """A secret: each party holds a part of it, and none sees it.

    It has the operators of a NumPy array, and NumPy's functions take it:

    >>> import numpy as np, symbolon as sb
    >>> with sb.local("beaver", processes=False) as world:
    ...     x = world.secret([[1.0, 2.0], [3.0, 4.0]], owner=0, bound=10)
    ...     y = np.sum(x * x, axis=1) - 5
    ...     y
    ...     y.reveal(to=0).round(3)
    <secret float64 (2,)>
    array([ 0., 20.])
    """

    __slots__ = ("__weakref__", "_is_boolean", "_is_kept", "_node", "_session")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    _session: Session
    _node: _native.Node
    _is_boolean: bool
    _is_kept: bool

    def __init__(self, session: Session, node: _native.Node, is_boolean: bool = False, is_kept: bool = False) -> None:
        self._session = session
        self._node = node
        self._is_boolean = is_boolean
        self._is_kept = is_kept

    # What is known of it.

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents, as an array has them."""
        return self._node.shape

    @property
    def ndim(self) -> int:
        """The number of axes, at most four."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of what `reveal` gives."""
        if self._is_boolean:
            return np.dtype(bool)
        if self._node.is_whole:
            return np.dtype(np.int64 if self._node.is_signed else np.uint64)
        return np.dtype(np.float64)

    @property
    def session(self) -> Session:
        """The session that it belongs to."""
        return self._session

    def __len__(self) -> int:
        if not self.shape:
            raise ProgramError("a single number has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        owner = "" if self._node.owner is None else f" of party {self._node.owner}"
        resident = ", resident" if self._node.resident else ""
        return f"<secret {self.dtype} {self.shape}{owner}{resident}>"

    # What it takes, and what it is.

    def plan(self, to: Recipients = None) -> Plan:
        """What it will take to reveal it: bytes, rounds, correlations, memory, time. Nothing runs."""
        return self._session.plan(self, to=to)

    def reveal(self, to: Recipients = None) -> Any:
        """Computes it, and shows it to the parties in `to`, or to all of them.

        Where no party of this process learns it, that is `None`.
        """
        return self._session.reveal(self, to=to)

    # What only a revealed value can answer.

    def __bool__(self) -> NoReturn:
        raise SecretError(
            "nobody knows whether a secret is true: write np.where(condition, a, b) for a choice, "
            "& | ~ for and, or, not, or condition.reveal() to learn it"
        )

    def __float__(self) -> NoReturn:
        raise SecretError("a secret is no float: write x.reveal() to learn it")

    def __int__(self) -> NoReturn:
        raise SecretError("a secret is no int: write x.reveal() to learn it")

    def __complex__(self) -> NoReturn:
        raise SecretError("a secret is no complex number: write x.reveal() to learn it")

    def __index__(self) -> NoReturn:
        raise SecretError("a secret is no index: write sb.lookup(table, index) for rows at secret places")

    def __iter__(self) -> NoReturn:
        raise SecretError("a secret is not gone through element by element: write x[i], or an op on all of it")

    def __contains__(self, item: object) -> NoReturn:
        raise SecretError("nobody knows what is in a secret: write np.any(x == item).reveal() to learn it")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise SecretError(
            "nothing is assigned into a secret: write np.where(mask, value, x) or np.concatenate for a new one"
        )

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise SecretError("a secret is no array: write x.reveal() to learn it, or a function that takes secrets")

    def __reduce__(self) -> NoReturn:
        raise SecretError("a secret is not pickled: it belongs to its session")

    # Operators.

    def __add__(self, other: Value) -> Tensor:
        return binary("{0} + {1}", self, other)

    def __radd__(self, other: Value) -> Tensor:
        return binary("{0} + {1}", other, self)

    def __sub__(self, other: Value) -> Tensor:
        return binary("{0} - {1}", self, other)

    def __rsub__(self, other: Value) -> Tensor:
        return binary("{0} - {1}", other, self)

    def __mul__(self, other: Value) -> Tensor:
        return binary("{0} * {1}", self, other)

    def __rmul__(self, other: Value) -> Tensor:
        return binary("{0} * {1}", other, self)

    def __truediv__(self, other: Value) -> Tensor:
        return binary("{0} / {1}", self, other)

    def __rtruediv__(self, other: Value) -> Tensor:
        return binary("{0} / {1}", other, self)

    def __floordiv__(self, other: Value) -> Tensor:
        return binary("{0} // {1}", self, other)

    def __mod__(self, other: Value) -> Tensor:
        return binary("{0} % {1}", self, other)

    def __matmul__(self, other: Value) -> Tensor:
        return binary("{0} @ {1}", self, other)

    def __rmatmul__(self, other: Value) -> Tensor:
        return binary("{0} @ {1}", other, self)

    def __pow__(self, exponent: Number) -> Tensor:
        return power(self, exponent)

    def __neg__(self) -> Tensor:
        return build("-{0}", self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return build("abs({0})", self)

    def __lt__(self, other: Value) -> Tensor:
        return binary("{0} < {1}", self, other, is_boolean=True)

    def __le__(self, other: Value) -> Tensor:
        return binary("{0} <= {1}", self, other, is_boolean=True)

    def __gt__(self, other: Value) -> Tensor:
        return binary("{0} > {1}", self, other, is_boolean=True)

    def __ge__(self, other: Value) -> Tensor:
        return binary("{0} >= {1}", self, other, is_boolean=True)

    def __eq__(self, other: Value) -> Tensor:  # type: ignore[override]
        return binary("{0} == {1}", self, other, is_boolean=True)

    def __ne__(self, other: Value) -> Tensor:  # type: ignore[override]
        return binary("{0} != {1}", self, other, is_boolean=True)

    def __and__(self, other: Value) -> Tensor:
        return of_truths("{0} * {1}", self, other)

    __rand__ = __and__

    def __or__(self, other: Value) -> Tensor:
        return of_truths("{0} + {1} - {0} * {1}", self, other)

    __ror__ = __or__

    def __xor__(self, other: Value) -> Tensor:
        return of_truths("{0} + {1} - 2 * ({0} * {1})", self, other)

    __rxor__ = __xor__

    def __invert__(self) -> Tensor:
        return build("1 - {0}", truths(self)[0], is_boolean=True)

    # Elements moved.

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes in the opposite order."""
        return self if self.ndim < 2 else build("{0}.T", self, is_boolean=self._is_boolean)

    def __getitem__(self, key: Any) -> Tensor:
        return index(self, key)

    def reshape(self, *shape: int | Sequence[int]) -> Tensor:
        """The same elements, row by row, with other extents; one of them may be -1."""
        extents = shape[0] if len(shape) == 1 and not isinstance(shape[0], SupportsIndex) else shape
        return reshape(self, extents)

    def ravel(self) -> Tensor:
        """The same elements in one row."""
        return reshape(self, (-1,))

    flatten = ravel

    def transpose(self, *axes: int | Sequence[int]) -> Tensor:
        """The axes in another order."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], SupportsIndex) else axes
        return transpose(self, order or None)

    def squeeze(self, axis: Axes = None) -> Tensor:
        """The same elements without axes of extent 1."""
        return squeeze(self, axis)

    def swapaxes(self, first: int, second: int) -> Tensor:
        """Two axes exchanged."""
        order = list(range(self.ndim))
        first, second = (axis_of(axis, self.ndim) for axis in (first, second))
        order[first], order[second] = second, first
        return transpose(self, order)

    # Reductions.

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The sums along axes, or of all elements."""
        return reduce("sum", self, axis, keepdims)

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The means along axes, or of all elements."""
        return reduce("mean", self, axis, keepdims)

    def var(self, axis: Axes = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """The mean squared distances from the mean."""
        count = reduced_size(self.shape, axis)
        variance = reduce("var", self, axis, keepdims)
        return variance if ddof == 0 else variance * (count / (count - ddof))

    def std(self, axis: Axes = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        """The square roots of the variances."""
        return build("sqrt({0})", self.var(axis, ddof, keepdims))

    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The largest elements along axes, or of all."""
        return reduce("max", self, axis, keepdims)

    def min(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The smallest elements along axes, or of all."""
        return reduce("min", self, axis, keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The indices of the largest elements, and of equal ones the first."""
        return reduce("argmax", self, axis, keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """The indices of the smallest elements, and of equal ones the first."""
        return reduce("argmin", self, axis, keepdims)

    def any(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Whether any element is not zero."""
        count: Tensor = truths(self)[0].sum(axis, keepdims)
        return count > 0

    def all(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """Whether no element is zero."""
        count: Tensor = (~truths(self)[0]).sum(axis, keepdims)
        return count == 0

    def clip(self, low: Number | None = None, high: Number | None = None) -> Tensor:
        """Each element, or `low` where it is below, or `high` where it is above."""
        if low is None:
            return self if high is None else build("min({0}, {1})", self, high)
        return build("max({0}, {1})", self, low) if high is None else build("clip({0}, {1}, {2})", self, low, high)

    def dot(self, other: Value) -> Tensor:
        """The matrix product, or where one is a single number the product with it."""
        product: Tensor = np.dot(self, other)
        return product

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        from ._numpy import ufunc as dispatched

        return dispatched(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, _types: Any, args: Any, options: Any) -> Any:
        from ._numpy import function as dispatched

        return dispatched(function, args, options)


def constant(number: Any) -> str:
    """A public number as steps write it.

    >>> constant(-0.5), constant(True), constant(np.int64(7))
    ('(-0.5)', '1', '7')
    """
    if isinstance(number, np.generic):
        number = number.item()
    if isinstance(number, (bool, int)):
        text = str(int(number))
    elif isinstance(number, float):
        if not math.isfinite(number):
            raise ProgramError(f"a constant is a finite number, not {number}")
        text = repr(number)
    else:
        raise ProgramError(f"a constant is a number, not of type {type(number).__name__}")
    return f"({text})" if text.startswith("-") else text


def is_constant(value: object) -> bool:
    """Whether it is a single public number."""
    return isinstance(value, (bool, int, float, np.generic)) or (isinstance(value, np.ndarray) and value.ndim == 0)


def build(template: str, *operands: Any, is_boolean: bool = False) -> Tensor:
    """A step: `template` has its operands, which are secrets or public numbers, as `{0}`, `{1}`."""
    session = next(operand._session for operand in operands if isinstance(operand, Tensor))
    nodes: list[_native.Node] = []
    texts = []
    for operand in operands:
        if not isinstance(operand, Tensor):
            if is_constant(operand):
                texts.append(constant(operand[()] if isinstance(operand, np.ndarray) else operand))
                continue
            operand = session.public(operand)
        texts.append(f"{{{len(nodes)}}}")
        nodes.append(operand._node)
    return Tensor(session, session._world.apply(template.format(*texts), nodes), is_boolean)


def binary(template: str, left: Any, right: Any, is_boolean: bool = False) -> Tensor:
    """A step on two values, of which one may be no number: then Python looks elsewhere."""
    for value in (left, right):
        if not isinstance(value, (Tensor, np.ndarray, list, tuple)) and not is_constant(value):
            return NotImplemented  # type: ignore[no-any-return]
    return build(template, left, right, is_boolean=is_boolean)


def truths(*values: Any) -> list[Any]:
    """The values as truths: what is no comparison is held against zero."""
    return [
        value
        if not isinstance(value, Tensor) and not isinstance(value, (list, tuple, np.ndarray))
        else (value if value._is_boolean else value != 0)
        if isinstance(value, Tensor)
        else np.asarray(value, dtype=bool).astype(np.int64)
        for value in values
    ]


def of_truths(template: str, left: Any, right: Any) -> Tensor:
    """A step on two values as truths."""
    left, right = truths(left, right)
    return binary(template, left, right, is_boolean=True)


def power(base: Tensor, exponent: Number) -> Tensor:
    """A secret to a public power: whole ones by products, others by the exponential of the logarithm."""
    if isinstance(exponent, Tensor) or not is_constant(exponent):
        raise ProgramError("the exponent of a power is a public number: write sb.exp(y * sb.log(x)) for a secret one")
    number = float(exponent)
    if number == 0.5:
        return build("sqrt({0})", base)
    if number == -0.5:
        return build("rsqrt({0})", base)
    if not number.is_integer() or abs(number) > 64:
        return build("exp({0})", build("{0} * {1}", build("log({0})", base), number))
    if number < 0:
        return build("reciprocal({0})", power(base, -number))
    if number == 0:
        return base * 0 + 1
    result, square, rest = None, base, int(number)
    while rest:
        if rest & 1:
            result = square if result is None else result * square
        rest >>= 1
        if rest:
            square = square * square
    assert result is not None
    return result


def axis_of(axis: SupportsIndex, rank: int) -> int:
    """An axis, of which negative ones count from the last."""
    place = operator.index(axis)
    if not -rank <= place < rank:
        raise ProgramError(f"there is no axis {place}: the value has {rank}")
    return place % rank


def axes_of(axis: Axes, rank: int) -> tuple[int, ...]:
    """All axes that are meant, each once, rising."""
    if axis is None:
        return tuple(range(rank))
    axes = [axis_of(one, rank) for one in (axis if isinstance(axis, tuple) else (axis,))]
    if len(set(axes)) != len(axes):
        raise ProgramError(f"axis = {axis}: an axis is named twice")
    return tuple(sorted(axes))


def reduced_size(shape: tuple[int, ...], axis: Axes) -> int:
    """How many elements come together in one."""
    return math.prod(shape[one] for one in axes_of(axis, len(shape)))


def reduce(name: str, value: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """A reduction along axes, by a function of the job language that takes one."""
    shape, axes = value.shape, axes_of(axis, value.ndim)
    rest = tuple(extent for place, extent in enumerate(shape) if place not in axes)
    kept = tuple(1 if place in axes else extent for place, extent in enumerate(shape))
    if not axes:
        value = reshape(value, (*shape, 1))
        return build(f"{name}({{0}}, axis=-1)", value)
    if len(axes) == 1:
        return build(f"{name}({{0}}, axis={axes[0]}, keepdims={int(keepdims)})", value)
    if name in ("sum", "mean") and not rest:
        return build(f"{name}({{0}}, keepdims={int(keepdims)})", value)
    if rest:
        value = transpose(value, [*(place for place in range(len(shape)) if place not in axes), *axes])
    reduced = build(f"{name}({{0}}, axis=-1)", reshape(value, (*rest, reduced_size(shape, axes))))
    return reshape(reduced, kept) if keepdims else reduced


def reshape(value: Tensor, shape: Any) -> Tensor:
    """The same elements with other extents; one of them may be -1."""
    extents = [operator.index(extent) for extent in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    if extents.count(-1) > 1 or any(extent < -1 for extent in extents):
        raise ProgramError(f"shape = {tuple(extents)}: extents are not negative, but for one -1")
    if -1 in extents:
        rest = math.prod(extent for extent in extents if extent != -1)
        extents[extents.index(-1)] = value.size // rest if rest else 0
    if tuple(extents) == value.shape:
        return value
    if not extents:
        if value.size != 1:
            raise ProgramError(f"{value.shape} cannot have shape (): {value.size} elements against 1")
        return build("{0}[" + ", ".join(["0"] * value.ndim) + "]", value, is_boolean=value._is_boolean)
    text = ", ".join(str(extent) for extent in extents)
    return build(f"reshape({{0}}, {text})", value, is_boolean=value._is_boolean)


def transpose(value: Tensor, axes: Sequence[Any] | None) -> Tensor:
    """The axes in another order, or in the opposite one."""
    if axes is None:
        return value.T
    order = [axis_of(axis, value.ndim) for axis in axes]
    if order == list(range(value.ndim)):
        return value
    text = ", ".join(str(axis) for axis in order)
    return build(f"transpose({{0}}, {text})", value, is_boolean=value._is_boolean)


def squeeze(value: Tensor, axis: Axes = None) -> Tensor:
    """The same elements without axes of extent 1."""
    axes = tuple(place for place, extent in enumerate(value.shape) if extent == 1)
    if axis is not None:
        axes = axes_of(axis, value.ndim)
        if any(value.shape[place] != 1 for place in axes):
            raise ProgramError(f"axis = {axis}: of shape {value.shape} only axes of extent 1 are dropped")
    return reshape(value, [extent for place, extent in enumerate(value.shape) if place not in axes])


def gather(value: Tensor, indices: Sequence[int], axis: int) -> Tensor:
    """The elements at public indices along an axis."""
    text = ", ".join(str(int(index)) for index in indices)
    return build(f"gather({{0}}, [{text}], axis={axis})", value, is_boolean=value._is_boolean)


def index(value: Tensor, key: Any) -> Tensor:
    """The part of a value that NumPy's basic indices name, or one list of public indices."""
    parts = list(key) if isinstance(key, tuple) else [key]
    named = [part for part in parts if part is not None and part is not Ellipsis]
    if len(named) > value.ndim:
        raise IndexError(f"{len(named)} indices for a value of shape {value.shape}")
    rest = [slice(None)] * (value.ndim - len(named))
    places = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1:
        raise IndexError("there is one ... at most")
    first = places[0] if places else len(parts)
    parts[first : first + 1] = rest
    ranges: list[str] = []
    shape: list[int] = []
    lists = 0
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        axis = len(ranges)
        extent = value.shape[axis]
        if isinstance(part, Tensor):
            raise SecretError("a secret is no index: write sb.lookup(table, index) for rows at secret places")
        if isinstance(part, slice):
            start, stop, step = part.indices(extent)
            if step < 0:
                value = gather(value, range(start, stop, step), axis)
                start, stop, step = 0, value.shape[axis], 1
            stop = max(start, stop)
            ranges.append(f"{start}:{stop}:{step}")
            shape.append(len(range(start, stop, step)))
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            place = operator.index(part)
            if not -extent <= place < extent:
                raise IndexError(f"index {place} along axis {axis} of extent {extent}")
            ranges.append(str(place % extent))
        else:
            chosen = np.asarray(part)
            chosen = np.flatnonzero(chosen) if chosen.dtype == bool and chosen.shape == (extent,) else chosen
            lists += 1
            if chosen.ndim != 1 or (chosen.size and not np.issubdtype(chosen.dtype, np.integer)) or lists > 1:
                raise IndexError("an index is a number, a range, ..., None, or one list of public indices")
            wrong = [place for place in chosen.tolist() if not -extent <= place < extent]
            if wrong:
                raise IndexError(f"index {wrong[0]} along axis {axis} of extent {extent}")
            value = gather(value, chosen.tolist(), axis)
            ranges.append(f"0:{len(chosen)}:1")
            shape.append(len(chosen))
    if ranges != [f"0:{extent}:1" for extent in value.shape]:
        value = build("{0}[" + ", ".join(ranges) + "]", value, is_boolean=value._is_boolean)
    return reshape(value, shape)
