"""PyTorch's modules as functions of secrets, by `torch.export` and without a file.

`private(module, example)` traces the module once. Its parameters and buffers become secrets of one party; constants of
the code are public. What depends on parameters alone, such as the factors of a batch norm, PyTorch computes in the
clear at their owner. PyTorch is needed where this is called, and not otherwise.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _language as sb
from ._errors import ProgramError, UsageError
from ._tensor import Tensor, build, constant

if TYPE_CHECKING:
    from ._session import Session

LEAST_EPS = 1e-5
"""What a layer norm adds to a variance at least: less is lost among the fraction bits."""


@dataclass
class Plain:
    """What no secret has a part in: a tensor of PyTorch, which its owner alone may know."""

    value: Any
    is_private: bool


class Module:
    """What `private` gives: called with secrets, it gives what the module gives."""

    def __init__(self, module: Any, example: Sequence[Any], **options: Any) -> None:
        torch = importlib.import_module("torch")
        with torch.no_grad():
            exported = torch.export.export(module.eval(), tuple(example), **options).run_decompositions()
        self._graph = exported.graph
        kinds = {spec.arg.name: spec for spec in exported.graph_signature.input_specs if hasattr(spec.arg, "name")}
        state = {**dict(exported.state_dict), **exported.constants}
        self._plain: dict[str, Plain] = {}
        self._inputs: dict[str, tuple[int, ...]] = {}
        for node in (node for node in self._graph.nodes if node.op == "placeholder"):
            kind = kinds[node.name].kind.name
            if kind == "USER_INPUT":
                self._inputs[node.name] = tuple(node.meta["val"].shape)
            else:
                is_private = kind in ("PARAMETER", "BUFFER")
                self._plain[node.name] = Plain(state[kinds[node.name].target].detach(), is_private)
        wrong = sorted({name(node.target) for node in self._graph.nodes if is_missing(node, self._inputs)})
        if wrong:
            raise ProgramError(f"not supported: {', '.join(wrong)}")

    def __repr__(self) -> str:
        return f"<private module of {', '.join(f'{name} {shape}' for name, shape in self._inputs.items())}>"

    def __call__(self, *data: Tensor, owner: int) -> Any:
        """The module's output. `owner` is the party whose parameters they are; elsewhere only their shapes count."""
        if len(data) != len(self._inputs) or not all(isinstance(tensor, Tensor) for tensor in data):
            raise UsageError(f"the module takes {len(self._inputs)} secrets: bring them by world.secret()")
        values: dict[str, Any] = dict(self._plain)
        for (given, shape), tensor in zip(self._inputs.items(), data, strict=True):
            if tensor.shape != shape:
                raise ProgramError(f"{given} has shape {tensor.shape}, and the module was traced for {shape}")
            values[given] = tensor
        run = Run(data[0].session, self, owner)
        for node in self._graph.nodes:
            if node.op == "call_function":
                values[node.name] = run.node(node, values)
            elif node.op == "output":
                outputs = [values[output.name] for output in node.args[0]]
                return outputs[0] if len(outputs) == 1 else tuple(outputs)
        raise AssertionError("a graph ends with its output")


@dataclass
class Run:
    """One call of a module."""

    session: Session
    module: Module
    owner: int

    def node(self, node: Any, values: dict[str, Any]) -> Any:
        """A node's value: what is plain PyTorch computes, the rest is steps."""
        operands = [values[operand.name] for operand in node.all_input_nodes]
        if not any(is_secret(operand) for operand in operands):
            plain = each(node.args, lambda at: values[at.name].value)
            named = each(dict(node.kwargs), lambda at: values[at.name].value)
            is_private = any(operand.is_private for operand in operands)
            return Plain(node.target(*plain, **named), is_private)
        arguments = each(node.args, lambda at: self.operand(at.name, values[at.name]))
        named = each(dict(node.kwargs), lambda at: self.operand(at.name, values[at.name]))
        if name(node.target) == "getitem":
            return arguments[0][arguments[1]]
        if name(node.target) == "_native_batch_norm_legit_no_training":
            return self.batch_norm(node, values)
        return RULES[name(node.target)](*arguments, **named)

    def operand(self, name: str, value: Any) -> Any:
        """A value as a step takes it: parameters are brought once, and stay in device memory."""
        if not isinstance(value, Plain):
            return value
        if isinstance(value.value, (tuple, list)):
            raise ProgramError(f"not supported: several tensors of parameters as {name}")
        array = value.value.double().numpy()
        if not value.is_private:
            return array if array.ndim else float(array)
        brought = self.session._brought.setdefault(self.module, {})
        if (self.owner, name) not in brought:
            data = array if self.owner in self.session.own else None
            brought[self.owner, name] = self.session.secret(data, owner=self.owner, shape=array.shape, resident=True)
        return brought[self.owner, name]

    def batch_norm(self, node: Any, values: dict[str, Any]) -> tuple[Tensor]:
        """A factor and an offset for each channel, which the owner of the parameters computes."""
        x, weight, bias, mean, variance, _, eps = node.args
        parts = [values[part.name] for part in (weight, bias, mean, variance) if part is not None]
        if len(parts) != 4 or not all(isinstance(part, Plain) for part in parts):
            raise ProgramError("not supported: a batch norm without parameters, or of secrets")
        weights, offsets, means, variances = (part.value for part in parts)
        factor = weights * (variances + eps).rsqrt()
        shift = Plain(offsets - means * factor, True)
        tensor = values[x.name]
        shape = (1, -1, *[1] * (tensor.ndim - 2))
        scaled = self.operand(f"{node.name} factor", Plain(factor.reshape(shape), True))
        return (tensor * scaled + self.operand(f"{node.name} shift", Plain(shift.value.reshape(shape), True)),)


def private(module: Any, example: Sequence[Any], **options: Any) -> Module:
    """A module of PyTorch as a function of secrets of the shapes of `example`, a tuple of tensors; options are those of
    `torch.export.export`.

        net = sb.torch.private(module, (torch.zeros(8, 1, 28, 28),))
        with sb.local("beaver") as world:
            scores = net(world.secret(images, owner=0, bound=1), owner=1).reveal(to=0)

    Between organisations each makes the module, and only the one that owns the parameters has loaded them.
    """
    return Module(module, example, **options)


def is_secret(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, tuple) and isinstance(value[0], Tensor))


def is_missing(node: Any, inputs: dict[str, tuple[int, ...]]) -> bool:
    """Whether a node that data reaches has no rule; marks those that data reaches."""
    node.meta["is_secret"] = node.name in inputs or any(one.meta.get("is_secret") for one in node.all_input_nodes)
    known = {*RULES, "getitem", "_native_batch_norm_legit_no_training"}
    return node.op == "call_function" and node.meta["is_secret"] and name(node.target) not in known


def name(target: Any) -> str:
    """An op's name without its overload."""
    return str(getattr(target, "_opname", getattr(target, "__name__", target)))


def each(value: Any, of: Callable[[Any], Any]) -> Any:
    """The same structure with nodes replaced."""
    if isinstance(value, dict):
        return {key: each(one, of) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [each(one, of) for one in value]
    return of(value) if hasattr(value, "all_input_nodes") else value


def same(value: Tensor, *_: Any, **__: Any) -> Tensor:
    return value


def plus(factor: int) -> Callable[..., Tensor]:
    def added(x: Any, y: Any, alpha: float = 1) -> Tensor:
        return x + y * (alpha * factor) if alpha != 1 else (x + y if factor == 1 else x - y)  # type: ignore[no-any-return]

    return added


def reduced(method: str) -> Callable[..., Tensor]:
    def rule(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
        axis = tuple(dim) if isinstance(dim, list) and dim else None if isinstance(dim, list) else dim
        result: Tensor = getattr(x, method)(axis, keepdims=keepdim)
        return result

    return rule


def variance(x: Tensor, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    return x.var(tuple(dim) if dim else None, ddof=int(correction), keepdims=keepdim)


def along(numbers: Any, axes: int) -> int | tuple[int, ...]:
    """One number for all axes, or one for each."""
    numbers = [int(number) for number in (numbers if isinstance(numbers, (list, tuple)) else [numbers])]
    return numbers[0] if len(numbers) == 1 or axes == 1 else tuple(numbers)


def convolution(
    x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output: Any, groups: int
) -> Tensor:
    axes = x.ndim - 2
    if axes not in (1, 2):
        raise ProgramError(f"not supported: a convolution of {axes} axes")
    options = {"stride": along(stride, axes), "dilation": along(dilation, axes)}
    options |= {"padding": along(padding, axes), "groups": groups}
    if transposed:
        options["output_padding"] = along(output, axes)
    function = getattr(sb, f"conv_transpose{axes}d" if transposed else f"conv{axes}d")
    result: Tensor = function(x, w, *([] if b is None else [b]), **options)
    return result


def max_pool(
    x: Tensor, size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Tensor]:
    moves = {"stride": along(stride or size, 2), "padding": along(padding, 2), "dilation": along(dilation, 2)}
    return (sb.maxpool2d(x, size=along(size, 2), **moves, ceil_mode=ceil_mode),)


def average_pool(
    x: Tensor,
    size: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    counts: bool = True,
    divisor: Any = None,
) -> Tensor:
    if divisor is not None:
        raise ProgramError(f"not supported: a pool with divisor_override = {divisor}")
    moves = {"stride": along(stride or size, 2), "padding": along(padding, 2)}
    return sb.avgpool2d(x, size=along(size, 2), **moves, ceil_mode=ceil_mode, count_include_pad=counts)


def layer_norm(x: Tensor, shape: list[int], weight: Any, bias: Any, eps: float) -> tuple[Tensor]:
    if len(shape) != 1:
        raise ProgramError(f"not supported: a layer norm over {len(shape)} axes")
    if eps < LEAST_EPS:
        warnings.warn(f"a layer norm adds {LEAST_EPS} to the variance, not {eps}", stacklevel=2)
    scaled = sb.layernorm(x, axis=-1, eps=max(eps, LEAST_EPS))
    scaled = scaled if weight is None else scaled * weight
    return (scaled if bias is None else scaled + bias,)


def clamp(x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    return x.clip(low, high)


def sliced(x: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    return x[(*[slice(None)] * (dim % x.ndim), slice(start, end, step))]


def selected(x: Tensor, dim: int, index: int) -> Tensor:
    return x[(*[slice(None)] * (dim % x.ndim), index)]


def expanded(x: Tensor, shape: list[int], **_: Any) -> Any:
    lead = len(shape) - x.ndim
    due = [x.shape[at - lead] if extent == -1 else extent for at, extent in enumerate(shape)]
    return np.broadcast_to(x, tuple(due))


def split(x: Tensor, sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    ends = np.cumsum(sizes)
    return tuple(sliced(x, dim, int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True))


def padded(x: Tensor, widths: list[int], value: float = 0) -> Tensor:
    for at in range(0, len(widths), 2):
        x = sb.pad(x, widths[at], widths[at + 1], axis=x.ndim - 1 - at // 2, value=value)
    return x


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "none":
        return sb.gelu(x)
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return x * (sb.tanh(inner) + 1) * 0.5


def softmax(x: Tensor, dim: int, _half: bool = False) -> Tensor:
    return sb.softmax(x, axis=dim)


def comparison(operator: str) -> Callable[[Any, Any], Tensor]:
    return lambda x, y: build(f"{{0}} {operator} {{1}}", x, y, is_boolean=True)


RULES: dict[str, Callable[..., Any]] = {
    "add": plus(1),
    "sub": plus(-1),
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "abs": sb.abs,
    "relu": sb.relu,
    "leaky_relu": lambda x, slope=0.01: build(f"leaky_relu({{0}}, {constant(slope)})", x),
    "sigmoid": sb.sigmoid,
    "tanh": sb.tanh,
    "gelu": gelu,
    "silu": sb.silu,
    "exp": sb.exp,
    "log": sb.log,
    "sqrt": sb.sqrt,
    "rsqrt": sb.rsqrt,
    "reciprocal": sb.reciprocal,
    "sin": sb.sin,
    "cos": sb.cos,
    "pow": lambda x, exponent: x**exponent,
    "maximum": lambda x, y: np.maximum(x, y),
    "minimum": lambda x, y: np.minimum(x, y),
    "clamp": clamp,
    "hardtanh": lambda x, low=-1, high=1: x.clip(low, high),
    "where": lambda condition, x, y: np.where(condition, x, y),
    **{
        name: comparison(text)
        for name, text in {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}.items()
    },
    "mean": reduced("mean"),
    "sum": reduced("sum"),
    "amax": reduced("max"),
    "amin": reduced("min"),
    "argmax": reduced("argmax"),
    "argmin": reduced("argmin"),
    "var": variance,
    "view": lambda x, shape: x.reshape(shape),
    "reshape": lambda x, shape: x.reshape(shape),
    "_unsafe_view": lambda x, shape: x.reshape(shape),
    "permute": lambda x, order: x.transpose(order),
    "t": lambda x: x.T,
    "transpose": lambda x, first, second: x.swapaxes(first, second),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "squeeze": lambda x, dim=None: x.squeeze(tuple(dim) if isinstance(dim, list) else dim),
    "expand": expanded,
    "slice": sliced,
    "select": selected,
    "cat": lambda parts, dim=0: np.concatenate(parts, axis=dim),
    "split_with_sizes": split,
    "constant_pad_nd": padded,
    "clone": same,
    "alias": same,
    "contiguous": same,
    "_to_copy": same,
    "mm": lambda x, y: x @ y,
    "bmm": lambda x, y: x @ y,
    "matmul": lambda x, y: x @ y,
    "addmm": lambda bias, x, y, beta=1, alpha=1: (
        (x @ y if alpha == 1 else x @ y * alpha) + (bias if beta == 1 else bias * beta)
    ),
    "convolution": convolution,
    "max_pool2d_with_indices": max_pool,
    "avg_pool2d": average_pool,
    "native_layer_norm": layer_norm,
    "_softmax": softmax,
    "_log_softmax": lambda x, dim, _half=False: sb.log_softmax(x, axis=dim),
}
"""What each op of PyTorch is on secrets; an op that is not here is refused by name when a module is traced."""
