"""JAX's functions on secrets, by their jaxpr.

`private(fn)` is `fn` on secrets: JAX traces it for their shapes, and each primitive becomes steps. What no secret has a
part in, JAX computes; arrays that the function closes over are public. JAX is needed where this is called, and not
otherwise.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _language as sb
from ._errors import ProgramError, UsageError
from ._tensor import Tensor, build

MOST_TURNS = 1 << 16
"""The most turns of a loop: each is steps of its own."""


def private(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` on secrets: arguments and results are secrets and numbers, alone or in lists, tuples and dicts.

        predict = sb.jax.private(lambda weights, x: jax.nn.relu(x @ weights["w"]) @ weights["v"])
        with sb.local("beaver") as world:
            weights = {name: world.secret(array, owner=1) for name, array in trained.items()}
            print(predict(weights, world.secret(X, owner=0)).reveal(to=0))

    Loops have public bounds and branches public conditions, or are refused.
    """

    def of_secrets(*arguments: Any) -> Any:
        jax = importlib.import_module("jax")
        leaves, tree = jax.tree_util.tree_flatten(arguments)
        secrets = [at for at, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        if not secrets:
            raise UsageError("none of the arguments is a secret: call the function itself")

        def traced(*given: Any) -> Any:
            filled = list(leaves)
            for at, leaf in zip(secrets, given, strict=True):
                filled[at] = leaf
            return function(*jax.tree_util.tree_unflatten(tree, filled))

        shapes = [jax.ShapeDtypeStruct(leaves[at].shape, kind(leaves[at])) for at in secrets]
        closed, shape = jax.make_jaxpr(traced, return_shape=True)(*shapes)
        results = evaluated(closed, [leaves[at] for at in secrets])
        return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(shape), results)

    return of_secrets


def kind(tensor: Tensor) -> str:
    """The type that JAX sees: it has 32 bits, and the computation on secrets those of the session."""
    return {"f": "float32", "i": "int32", "u": "uint32", "b": "bool"}[tensor.dtype.kind]


def evaluated(closed: Any, arguments: list[Any]) -> list[Any]:
    """The results of a jaxpr."""
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
    values |= zip(jaxpr.invars, arguments, strict=True)

    def value(of: Any) -> Any:
        return of.val if hasattr(of, "val") else values[of]

    for equation in jaxpr.eqns:
        operands = [value(of) for of in equation.invars]
        results = applied(equation, operands)
        values |= zip(equation.outvars, results, strict=True)
    return [value(of) for of in jaxpr.outvars]


def applied(equation: Any, operands: list[Any]) -> list[Any]:
    """The results of one equation."""
    primitive, params = equation.primitive, equation.params
    if not any(isinstance(operand, Tensor) for operand in operands):
        results = primitive.bind(*operands, **params)
        return list(results) if primitive.multiple_results else [results]
    if primitive.name in NESTED:
        return NESTED[primitive.name](params, operands)
    if primitive.name not in RULES:
        raise ProgramError(f"not supported: {primitive.name}")
    plain = [operand if isinstance(operand, Tensor) else number(operand) for operand in operands]
    return [RULES[primitive.name](*plain, **params)]


def number(value: Any) -> Any:
    """What is public, as steps take it: NumPy's array, or a number."""
    array = np.asarray(value)
    return array if array.ndim else array[()].item()


def inner(params: dict[str, Any]) -> Any:
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if name in params:
            found = params[name]
            core = importlib.import_module("jax.extend.core")
            return found if hasattr(found, "consts") else core.ClosedJaxpr(found, ())
    raise ProgramError("not supported: a call without a body")


def called(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    return evaluated(inner(params), operands)


def scan(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    """Turn after turn, as each is steps of its own."""
    constants, carried = params["num_consts"], params["num_carry"]
    if params["length"] > MOST_TURNS:
        raise ProgramError(f"not supported: a scan of {params['length']} turns; there may be {MOST_TURNS}")
    fixed, state = operands[:constants], operands[constants : constants + carried]
    rows = operands[constants + carried :]
    turns = range(params["length"])
    stacked: dict[int, list[Any]] = {turn: [] for turn in turns}
    for turn in reversed(turns) if params["reverse"] else turns:
        results = evaluated(params["jaxpr"], [*fixed, *state, *(row[turn] for row in rows)])
        state, stacked[turn] = results[:carried], results[carried:]
    columns = zip(*(stacked[turn] for turn in turns), strict=True)
    return [*state, *(np.stack(column) for column in columns)]


def any_secret(values: Any) -> bool:
    return any(isinstance(value, Tensor) for value in values)


def loop(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    """While a public condition holds."""
    before, within = params["cond_nconsts"], params["body_nconsts"]
    of_condition, of_body, state = operands[:before], operands[before : before + within], operands[before + within :]
    for _ in range(MOST_TURNS):
        (goes_on,) = evaluated(params["cond_jaxpr"], [*of_condition, *state])
        if isinstance(goes_on, Tensor):
            raise ProgramError("not supported: a loop whose condition is a secret; give it a public bound")
        if not bool(goes_on):
            return state
        state = evaluated(params["body_jaxpr"], [*of_body, *state])
    raise ProgramError(f"not supported: a loop of more than {MOST_TURNS} turns")


def branch(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    which, rest = operands[0], operands[1:]
    if isinstance(which, Tensor):
        raise ProgramError("not supported: a branch whose condition is a secret; write jnp.where")
    last = len(params["branches"]) - 1
    return evaluated(params["branches"][min(max(int(which), 0), last)], rest)


NESTED: dict[str, Callable[[dict[str, Any], list[Any]], list[Any]]] = {
    "pjit": called,
    "jit": called,
    "closed_call": called,
    "core_call": called,
    "custom_jvp_call": called,
    "custom_vjp_call": called,
    "custom_vjp_call_jaxpr": called,
    "checkpoint": called,
    "remat2": called,
    "scan": scan,
    "while": loop,
    "cond": branch,
}


def dot_general(x: Any, y: Any, *, dimension_numbers: Any, **_: Any) -> Tensor:
    (of_x, of_y), (batch_x, batch_y) = dimension_numbers
    letters = iter("abcdefghijklmnop")
    left = [next(letters) for _ in range(x.ndim)]
    right = [next(letters) for _ in range(y.ndim)]
    for at, other in [*zip(batch_x, batch_y, strict=True), *zip(of_x, of_y, strict=True)]:
        right[other] = left[at]
    kept = [left[at] for at in batch_x]
    kept += [letter for at, letter in enumerate(left) if at not in (*batch_x, *of_x)]
    kept += [letter for at, letter in enumerate(right) if at not in (*batch_y, *of_y)]
    return sb.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x, y)


def convolution(x: Any, w: Any, **params: Any) -> Any:
    numbers, strides = params["dimension_numbers"], params["window_strides"]
    axes = len(strides)
    if axes not in (1, 2) or params["batch_group_count"] != 1:
        raise ProgramError("not supported: a convolution of groups of a batch, or not of one or two axes")
    x, w = np.transpose(x, numbers.lhs_spec), np.transpose(w, numbers.rhs_spec)
    groups, padding = params["feature_group_count"], [(int(before), int(after)) for before, after in params["padding"]]
    if set(params["lhs_dilation"]) == {1}:
        for axis, (before, behind) in enumerate(padding, 2):
            if min(before, behind) < 0:
                x = cut(x, axis, max(-before, 0), max(-behind, 0))
        moves = {"stride": one_or_all(strides), "dilation": one_or_all(params["rhs_dilation"])}
        around = one_or_all([max(places, 0) for sides in padding for places in sides])
        result: Any = getattr(sb, f"conv{axes}d")(x, w, **moves, padding=around, groups=groups)
    else:
        result = transposed(x, w, params["lhs_dilation"], params["rhs_dilation"], padding, groups)
        result = result[(slice(None), slice(None), *(slice(None, None, int(stride)) for stride in strides))]
    return np.transpose(result, np.argsort(numbers.out_spec).tolist())


def transposed(x: Any, w: Any, spread: Any, apart: Any, padding: list[tuple[int, int]], groups: int) -> Any:
    """A convolution of elements that are `spread` apart: each is multiplied by the kernels, and nothing by a zero."""
    (out, depth, *size), axes = w.shape, len(spread)
    kernels: Any = np.transpose(np.reshape(w, (groups, out // groups, depth, math.prod(size))), (0, 2, 1, 3))
    kernels = np.reshape(kernels, (groups * depth, out // groups, *size))
    for axis in range(2, 2 + axes):
        kernels = np.flip(kernels, axis)
    off, more, before_all = [], [], []
    for extent, gap, (before, behind) in zip(size, apart, padding, strict=True):
        last = (extent - 1) * int(gap)
        off += [max(last - before, 0), max(last - behind, 0)]
        more.append(max(behind - last, 0))
        before_all.append(max(before - last, 0))
    moves = {"stride": one_or_all(spread), "dilation": one_or_all(apart), "output_padding": one_or_all(more)}
    result: Any = getattr(sb, f"conv_transpose{axes}d")(x, kernels, **moves, padding=one_or_all(off), groups=groups)
    for axis, before in enumerate(before_all, 2):
        result = sb.pad(result, before, 0, axis=axis) if before else result
    return result


def one_or_all(numbers: Any) -> int | tuple[int, ...]:
    """One number where all are the same."""
    numbers = [int(number) for number in numbers]
    return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)


def cut(x: Any, axis: int, before: int, behind: int) -> Any:
    return x[(*[slice(None)] * axis, slice(before, x.shape[axis] - behind))]


def broadcast(x: Any, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...], **_: Any) -> Any:
    extents = [1] * len(shape)
    for at, axis in enumerate(broadcast_dimensions):
        extents[axis] = x.shape[at]
    return np.broadcast_to(np.reshape(x, tuple(extents)), shape)


def select(which: Any, *cases: Any) -> Any:
    if len(cases) != 2:
        raise ProgramError("not supported: a choice among more than two")
    return np.where(which, cases[1], cases[0])


def sliced(x: Any, *, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    steps = strides or [1] * len(start_indices)
    return x[tuple(slice(*parts) for parts in zip(start_indices, limit_indices, steps, strict=True))]


def dynamic_slice(x: Any, *starts: Any, slice_sizes: tuple[int, ...], **_: Any) -> Any:
    if any_secret(starts):
        raise ProgramError("not supported: a slice at a secret place")
    places = [
        min(max(int(start), 0), extent - size) for start, extent, size in zip(starts, x.shape, slice_sizes, strict=True)
    ]
    return x[tuple(slice(place, place + size) for place, size in zip(places, slice_sizes, strict=True))]


def gather(x: Any, indices: Any, *, dimension_numbers: Any, slice_sizes: tuple[int, ...], **_: Any) -> Any:
    """Rows at public indices along one axis, as `x[indices]` gives."""
    if isinstance(indices, Tensor) or not isinstance(x, Tensor):
        raise ProgramError("not supported: a gather at secret places; write one_hot(index) @ table")
    (axis, *others) = dimension_numbers.start_index_map
    places = np.asarray(indices)[..., 0]
    whole = all(
        size == extent for at, (size, extent) in enumerate(zip(slice_sizes, x.shape, strict=True)) if at != axis
    )
    collapsed = tuple(dimension_numbers.collapsed_slice_dims) == (axis,)
    at_front = tuple(dimension_numbers.offset_dims) == tuple(range(places.ndim, places.ndim + x.ndim - 1))
    if others or slice_sizes[axis] != 1 or not whole or not collapsed or not (axis == 0 and at_front):
        raise ProgramError("not supported: a gather that is not of rows")
    picked = x[np.clip(places, 0, x.shape[0] - 1).ravel().tolist()]
    return picked.reshape((*places.shape, *x.shape[1:]))


def power(x: Any, y: Any) -> Any:
    return x**y


def reduced(method: str) -> Callable[..., Any]:
    return lambda x, *, axes, **_: getattr(x, method)(tuple(axes)) if axes else x


def extreme(method: str) -> Callable[..., Any]:
    return lambda x, *, axes, **_: getattr(x, method)(axes[0])


def joined(*parts: Any, dimension: int) -> Any:
    return np.concatenate(parts, axis=dimension)


def padded(x: Any, value: Any, *, padding_config: Any) -> Any:
    if isinstance(value, Tensor):
        raise ProgramError("not supported: padding by a secret")
    for axis, (before, after, between) in enumerate(padding_config):
        if between or before < 0 or after < 0:
            raise ProgramError("not supported: padding between elements, or below zero")
        if before or after:
            x = sb.pad(x, before, after, axis=axis, value=value)
    return x


def cumulated(x: Any, *, axis: int, reverse: bool) -> Any:
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


def same(x: Any, **_: Any) -> Any:
    return x


def converted(x: Any, *, new_dtype: Any, **_: Any) -> Any:
    to = np.dtype(new_dtype).kind
    if to == "b":
        return x != 0
    if to in "iu" and x.dtype.kind == "f":
        # Towards zero, as JAX.
        return sb.sign(x) * sb.floor(abs(x))
    return Tensor(x.session, x._node)


def step(template: str, is_boolean: bool = False) -> Callable[..., Any]:
    return lambda *operands, **_: build(template, *operands, is_boolean=is_boolean)


def extremum(name: str, nothing: float) -> Callable[..., Any]:
    """The larger or smaller of two, of which one may be the infinity that is beside everything."""

    def rule(x: Any, y: Any) -> Any:
        for one, other in ((x, y), (y, x)):
            if not isinstance(other, Tensor) and np.all(np.asarray(other) == nothing):
                return np.broadcast_to(one, np.broadcast_shapes(one.shape, np.shape(other)))
        return build(f"{name}({{0}}, {{1}})", x, y)

    return rule


def truth(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands, **_: function(*operands)


RULES: dict[str, Callable[..., Any]] = {
    "add": step("{0} + {1}"),
    "add_any": step("{0} + {1}"),
    "sub": step("{0} - {1}"),
    "mul": step("{0} * {1}"),
    "div": step("{0} / {1}"),
    "neg": step("-{0}"),
    "max": extremum("max", -math.inf),
    "min": extremum("min", math.inf),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "square": step("{0} * {0}"),
    "integer_pow": lambda x, *, y: power(x, y),
    "pow": lambda x, y, **_: power(x, y),
    "exp": step("exp({0})"),
    "exp2": lambda x, **_: build("exp({0} * {1})", x, math.log(2)),
    "log": step("log({0})"),
    "log1p": step("log({0} + 1)"),
    "expm1": step("exp({0}) - 1"),
    "tanh": step("tanh({0})"),
    "logistic": step("sigmoid({0})"),
    "sin": step("sin({0})"),
    "cos": step("cos({0})"),
    "sqrt": step("sqrt({0})"),
    "rsqrt": step("rsqrt({0})"),
    "abs": step("abs({0})"),
    "sign": step("sign({0})"),
    "floor": step("floor({0})"),
    "gt": step("{0} > {1}", is_boolean=True),
    "ge": step("{0} >= {1}", is_boolean=True),
    "lt": step("{0} < {1}", is_boolean=True),
    "le": step("{0} <= {1}", is_boolean=True),
    "eq": step("{0} == {1}", is_boolean=True),
    "ne": step("{0} != {1}", is_boolean=True),
    "and": truth(lambda x, y: x & y),
    "or": truth(lambda x, y: x | y),
    "xor": truth(lambda x, y: x ^ y),
    "not": truth(lambda x: ~x),
    "select_n": select,
    "dot_general": dot_general,
    "conv_general_dilated": convolution,
    "reduce_sum": reduced("sum"),
    "reduce_max": reduced("max"),
    "reduce_min": reduced("min"),
    "reduce_and": reduced("all"),
    "reduce_or": reduced("any"),
    "argmax": extreme("argmax"),
    "argmin": extreme("argmin"),
    "cumsum": cumulated,
    "broadcast_in_dim": broadcast,
    "reshape": lambda x, *, new_sizes, **_: np.reshape(x, tuple(new_sizes)),
    "transpose": lambda x, *, permutation: np.transpose(x, permutation),
    "squeeze": lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)),
    "expand_dims": lambda x, *, dimensions: np.expand_dims(x, tuple(dimensions)),
    "rev": lambda x, *, dimensions: np.flip(x, tuple(dimensions)),
    "slice": sliced,
    "dynamic_slice": dynamic_slice,
    "gather": gather,
    "concatenate": joined,
    "pad": padded,
    "convert_element_type": converted,
    "stop_gradient": same,
    "copy": same,
    "copy_p": same,
    "optimization_barrier": same,
}
"""What each primitive of JAX is on secrets."""
