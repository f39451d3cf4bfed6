"""Prepared programs: functions of tensors that are planned once and run many times."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ._tensor import Tensor

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def program(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Turns a function of tensors into a prepared program.

    What it returns is planned when it is first revealed, once for the shapes, owners and bounds of its inputs, and
    stays allocated: later calls only run. Inputs that are `resident` stay in device memory, with all that depends on
    them alone. Up to 16 programs are kept in a session; `Session.release` frees them.

    >>> import numpy as np, symbolon as sb
    >>> @sb.program
    ... def scores(x, w):
    ...     return x @ w
    >>> with sb.local("beaver", processes=False) as world:
    ...     w = world.secret([[4.0], [0.25]], owner=1, resident=True)
    ...     for row in ([1.5, -2.0], [1.0, 4.0]):
    ...         x = world.secret([row], owner=0)
    ...         print(scores(x, w).reveal(to=0).round(2))
    [[5.5]]
    [[5.]]
    """

    @functools.wraps(function)
    def kept(*args: Arguments.args, **named: Arguments.kwargs) -> Result:
        return marked(function(*args, **named))  # type: ignore[no-any-return]

    return kept


def marked(result: Any) -> Any:
    """The same tensors, of which the program is kept."""
    if isinstance(result, Tensor):
        return Tensor(result._session, result._node, result._is_boolean, is_kept=True)
    if isinstance(result, dict):
        return {key: marked(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return type(result)(marked(value) for value in result)
    return result
