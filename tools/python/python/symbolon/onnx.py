"""Models that exist as ONNX files: one party brings the parameters, and the data of others goes through.

The parameters go from the file into their owner's secrets, and into no other file. What a model consists of, its steps
and shapes, all parties know: `Model.structure` is that as text, for those who do not have the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._errors import InputError, ProgramError, UsageError
from ._tensor import Tensor

if TYPE_CHECKING:
    from ._session import Session

FORMAT = "symbolon model 1"

# Strings, and names that are no attributes, keywords or parts of numbers.
WORD = re.compile(r'"[^"]*"|(?<![\w.])[A-Za-z_]\w*(?!\w)(?!\s*=(?!=))')

# A program's own names for values: a step that came from elsewhere must not reach them.
TAKEN = re.compile(r"v\d+|in\d+|public_\w*")

STEP = re.compile(r"\s*([A-Za-z]\w*)\s*=(?!=)(.*)", re.DOTALL)


class Model:
    """What `load` gives: called with secrets, it gives its outputs."""

    def __init__(self, imported: Mapping[str, Any], ring_bits: int, fraction_bits: int) -> None:
        self.inputs: dict[str, tuple[int, ...]] = {name: tuple(shape) for name, shape in imported["inputs"]}
        self.outputs: tuple[str, ...] = tuple(imported["outputs"])
        self.notes: tuple[str, ...] = tuple(imported["notes"])
        self._shapes = {name: tuple(shape) for name, shape, *_ in imported["parameters"]}
        self._arrays: dict[str, NDArray[Any]] = {
            name: rest[0].reshape(shape) for name, shape, *rest in imported["parameters"] if rest
        }
        self._steps = list(imported["steps"])
        self._bits = (ring_bits, fraction_bits)

    @property
    def is_whole(self) -> bool:
        """Whether the parameters are here, and not the structure alone."""
        return len(self._arrays) == len(self._shapes)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name} {shape}" for name, shape in self.inputs.items())
        return f"<model of {inputs}, gives {', '.join(self.outputs)}: {len(self._steps)} steps>"

    @property
    def structure(self) -> str:
        """The steps and shapes as text, without any parameter: for `read` at the other parties."""
        described = {
            "format": FORMAT,
            "ring_bits": self._bits[0],
            "fraction_bits": self._bits[1],
            "inputs": list(self.inputs.items()),
            "parameters": list(self._shapes.items()),
            "steps": self._steps,
            "outputs": self.outputs,
            "notes": self.notes,
        }
        return json.dumps(described, indent=1)

    def __call__(self, *data: Tensor, owner: int, **named: Tensor) -> Any:
        """The output, or a dict of several by name. `owner` is the party that brings the parameters."""
        values = self._values(data, named)
        session = next(iter(values.values())).session
        if (session._world.ring_bits, session._world.fraction_bits) != self._bits:
            raise UsageError(
                f"the model is of ring_bits, fraction_bits = {self._bits}, and the session of others: load it with them"
            )
        values |= self._parameters(session, owner)
        for step in self._steps:
            name, template, operands = parsed(step, values)
            values[name] = Tensor(session, session._world.apply(template, operands))
        if len(self.outputs) == 1:
            return values[self.outputs[0]]
        return {name: values[name] for name in self.outputs}

    def _values(self, data: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Tensor]:
        if len(data) > len(self.inputs):
            raise UsageError(f"the model has {len(self.inputs)} inputs, and {len(data)} are given")
        given = dict(zip(self.inputs, data, strict=False))
        twice = [name for name in named if name in given]
        if twice or set(given) | set(named) != set(self.inputs):
            raise UsageError(f"the model's inputs are {', '.join(self.inputs)}: give each of them once")
        given |= named
        for name, shape in self.inputs.items():
            if not isinstance(given[name], Tensor):
                raise UsageError(f"{name} is a secret: bring it by world.secret()")
            if given[name].shape != shape:
                raise ProgramError(
                    f"{name} has shape {given[name].shape}, and the model was loaded for {shape}: "
                    "load(path, batch=N) sets the first extent"
                )
        return {name: given[name] for name in self.inputs}

    def _parameters(self, session: Session, owner: int) -> dict[str, Tensor]:
        """The parameters as secrets, which a session's programs keep in device memory."""
        if owner in session.own and not self.is_whole:
            raise InputError(f"party {owner} is here, and the model's parameters are not: load the file")
        brought = session._brought.setdefault(self, {})
        for name, shape in self._shapes.items():
            if (owner, name) not in brought:
                value = self._arrays[name] if owner in session.own else None
                brought[owner, name] = session.secret(value, owner=owner, shape=shape, resident=True)
        return {name: brought[owner, name] for name in self._shapes}


def parsed(step: str, values: Mapping[str, Tensor]) -> tuple[str, str, list[_native.Node]]:
    """A step's name, its text with places for operands, and the operands."""
    found = STEP.fullmatch(step)
    if found is None or "{" in step or "}" in step:
        raise ProgramError("a step of the model is none")
    operands: list[_native.Node] = []

    def place(word: re.Match[str]) -> str:
        name = word[0]
        if name in values:
            operands.append(values[name]._node)
            return f"{{{len(operands) - 1}}}"
        if TAKEN.fullmatch(name):
            raise ProgramError(f"a step of the model uses {name}, which is defined nowhere")
        return name

    return found[1], WORD.sub(place, found[2]).strip(), operands


def load(
    path: str | os.PathLike[str],
    *,
    batch: int = 1,
    axes: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    fixed: Mapping[str, float] | None = None,
    outputs: Sequence[str] = (),
    ring_bits: int = 64,
    fraction_bits: int = 16,
) -> Model:
    """The model in an ONNX file: scikit-learn's, and the usual networks of PyTorch and Hugging Face.

    `batch` is the first extent of inputs where the model leaves it open, `axes` gives other open extents by name,
    `shapes` those of an input. An input in `fixed` is the same public number everywhere. `outputs` chooses some of
    them. What is not supported is named in one exception.

        model = sb.onnx.load("mlp.onnx", batch=50)
        with sb.local("beaver") as world:
            x = world.secret(X, owner=0, bound=1.0)
            label = model(x, owner=1)["label"].reveal(to=0)

    Where the data's owner is elsewhere, it has `model.structure` in place of the file:
    `sb.onnx.read(text)(x, owner=1)`.
    """
    wanted: _native.Wanted = {
        "batch": batch,
        "axes": dict(axes or {}),
        "shapes": {name: [int(extent) for extent in shape] for name, shape in (shapes or {}).items()},
        "fixed": {name: float(number) for name, number in (fixed or {}).items()},
        "outputs": list(outputs),
        "ring_bits": ring_bits,
        "fraction_bits": fraction_bits,
    }
    return Model(_native.import_onnx(os.fspath(Path(path)), wanted), ring_bits, fraction_bits)


def read(structure: str) -> Model:
    """A model without parameters, of another's `Model.structure`: what its steps do is what this text says."""
    try:
        described = json.loads(structure)
        if described["format"] != FORMAT:
            raise ValueError
        pairs = [described["inputs"], described["parameters"]]
        shapes = [shape for pair in pairs for _, shape in pair]
        texts = [*described["steps"], *described["outputs"], *described["notes"]]
        texts += [name for pair in pairs for name, _ in pair]
        bits = (described["ring_bits"], described["fraction_bits"])
        extents = [extent for shape in shapes for extent in shape]
        fits = all(type(text) is str for text in texts) and all(type(one) is int for one in [*bits, *extents])
        steps = (STEP.fullmatch(step) for step in described["steps"])
        defined = [name for pair in pairs for name, _ in pair] + [step[1] for step in steps if step is not None]
        fits = fits and set(described["outputs"]) <= set(defined) and len(described["outputs"]) > 0
        if not fits or not np.all(np.array(extents, dtype=object) >= 0):
            raise ValueError
        return Model(described, *bits)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("that is no structure of a model") from error
