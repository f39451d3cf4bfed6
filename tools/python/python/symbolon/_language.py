"""The functions of the job language, made from its own table: nothing is listed here.

`_language.pyi` says their types; `python -m symbolon._language` writes it anew. What is not of the table begins with an
underscore or a capital, as no function does.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import _native, _tensor
from ._errors import ProgramError
from ._tensor import Tensor

TABLE = {name: (forms, result) for name, forms, result in _native.functions()}


def _call(name: str, *arguments: Any, **named: Any) -> Tensor:
    """A call of a function: secrets, public numbers and arrays, lists of indices, and numbers with names."""
    operands, texts = [], []
    takes_list = builtins.any("[" in form for form in TABLE[name][0])
    for argument in arguments:
        if isinstance(argument, str):
            texts.append(f'"{argument}"')
            continue
        if isinstance(argument, Tensor) or not _tensor.is_constant(argument):
            if isinstance(argument, Sequence) and takes_list:
                texts.append("[" + ", ".join(_tensor.constant(number) for number in argument) + "]")
                continue
            texts.append(f"{{{len(operands)}}}")
            operands.append(argument)
        else:
            texts.append(_tensor.constant(argument))
    if not builtins.any(isinstance(operand, Tensor) for operand in operands):
        raise ProgramError(f"{name}: none of the arguments is a secret; NumPy computes what is public")
    for key, value in named.items():
        if isinstance(value, tuple) and builtins.all(map(_tensor.is_constant, value)):
            texts.append(f"{key}=({', '.join(str(int(axis)) for axis in value)},)")
            continue
        if not _tensor.is_constant(value):
            raise ProgramError(f"{name}: {key} is a public number")
        texts.append(f"{key}={_tensor.constant(value)}")
    return _tensor.build(f"{name}({', '.join(texts)})", *operands)


def _documented(name: str) -> Callable[..., Tensor]:
    """The function of this name, with its forms and result as documentation."""
    forms, result = TABLE[name]

    def function(*arguments: Any, **named: Any) -> Tensor:
        return _call(name, *arguments, **named)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{result[0].upper()}{result[1:]}.\n\nCalled as {'; or '.join(forms)}."
    return function


def _stub() -> str:
    """The types of all functions."""
    lines = ['"""The functions of the job language. Made by `python -m symbolon._language`."""', ""]
    lines += ["from typing import Any", "", "from ._tensor import Tensor", ""]
    lines += ["TABLE: dict[str, tuple[list[str], str]]", "", "def _stub() -> str: ..."]
    for name in sorted(TABLE):
        forms, result = TABLE[name]
        lines.append(f"def {name}(*arguments: Any, **named: Any) -> Tensor:")
        lines.append(f'    """{result[0].upper()}{result[1:]}.')
        lines += ["", *(f"    {form}" for form in forms), '    """', ""]
    return "\n".join(lines).rstrip() + "\n"


__all__ = list(TABLE)
globals().update({name: _documented(name) for name in TABLE})

if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else __file__).with_suffix(".pyi").write_text(_stub(), encoding="utf-8")
