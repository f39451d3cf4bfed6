"""Sessions: the parties, on this machine or on several, and what they bring and learn."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._errors import InputError, OtherSessionError, SecretError, UsageError
from ._tensor import Recipients, Tensor

EXACT_INTEGERS = 2**53
"""From here on not every integer is a float."""


class Plan:
    """What a computation will take. As text it is a table; `to_dict` has all figures."""

    def __init__(self, figures: str, table: str) -> None:
        self._figures = figures
        self._table = table

    def to_dict(self) -> dict[str, Any]:
        """All figures, under the names that `symbolon plan --json` gives them."""
        return dict(json.loads(self._figures))

    def __str__(self) -> str:
        return self._table.rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escaped(self._table)}</pre>"


class Report:
    """What a run took. As text it is a table; it opens in a notebook as a page."""

    def __init__(self, report: _native.Report) -> None:
        self._report = report

    def to_dict(self) -> dict[str, Any]:
        """All figures, under the names that `symbolon run --json` gives them: `pandas.DataFrame(d["parties"])`."""
        return dict(json.loads(self._report.json()))

    def html(self) -> str:
        """The page that `symbolon run --report` writes; it needs nothing from elsewhere."""
        return self._report.html()

    def __str__(self) -> str:
        return self._report.text().rstrip("\n")

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<iframe style="width:100%;height:600px;border:0" srcdoc="{escaped(self.html())}"></iframe>'


def escaped(text: str) -> str:
    """Text within HTML."""
    for character, word in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, word)
    return text


class Session:
    """The parties of a computation. `local` and `connect` open one; it ends with its `with` block, or by `close`."""

    def __init__(self, opening: _native.Opening) -> None:
        self._world = _native.World(opening)
        self._report: Report | None = None
        # Parameters of models, which are brought once.
        self._brought: WeakKeyDictionary[Any, dict[Any, Tensor]] = WeakKeyDictionary()

    @property
    def parties(self) -> int:
        """The number of parties."""
        return self._world.parties

    @property
    def own(self) -> tuple[int, ...]:
        """The parties that this process is: all of a local session, one of a deployment."""
        return tuple(self._world.own)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._world.closed

    @property
    def report(self) -> Report:
        """What the last run took."""
        if self._report is None:
            raise UsageError("nothing has run yet")
        return self._report

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{state} session of {self.parties} parties>"

    def secret(
        self,
        value: ArrayLike | None,
        *,
        owner: int,
        bound: float | None = None,
        resident: bool = False,
        shape: Sequence[int] | None = None,
        name: str | None = None,
    ) -> Tensor:
        """What `owner` brings, and alone knows.

        `bound` is the largest magnitude that the owner vouches for: functions are faster and proven right with it. What
        is `resident` stays in device memory for all runs of a `program`. Where the data is another organisation's,
        `value` is None and `shape` says its extents.

        >>> import symbolon as sb
        >>> with sb.local("replicated", processes=False) as world:
        ...     ages = world.secret([31, 45, 28], owner=0, bound=150)
        ...     pay = world.secret([52.5, 61.0, 48.0], owner=2, bound=1e3)
        ...     (ages * pay).sum().reveal()
        np.float64(5716.5)
        """
        self._check_party(owner)
        if bound is not None and not (isinstance(bound, (int, float, np.number)) and 0 < bound < float("inf")):
            raise UsageError(f"bound = {bound}: a bound is a positive number")
        if value is None:
            if shape is None:
                raise InputError("where the data is another's, say its shape: secret(None, owner=1, shape=(3, 4))")
            if owner in self.own:
                raise InputError(f"party {owner} is here, and its data is None")
            data, kind = None, None if self._world.fraction_bits else "i64"
        else:
            if owner not in self.own:
                raise InputError(f"party {owner} is elsewhere: its data is None here, with a shape")
            data, kind = self._encodable(value, bound)
            if shape is not None and tuple(shape) != data.shape:
                raise InputError(f"the data has shape {data.shape}, and {tuple(shape)} is declared")
        extents = list(shape if data is None and shape is not None else () if data is None else data.shape)
        declared: _native.Declared = {
            "shape": [int(extent) for extent in extents],
            "owner": owner,
            "bound": None if bound is None else float(bound),
            "kind": kind,
            "resident": resident,
            "name": name,
            "digest": None,
        }
        return Tensor(self, self._world.secret(data, declared))

    def public(self, value: ArrayLike) -> Tensor:
        """An array that every party's script has. It enters as party 0's, since steps have no public arrays."""
        array = np.asarray(value)
        if array.dtype == object:
            raise InputError("an array of objects is no array of numbers: stack secrets by np.stack")
        here = 0 in self.own
        data, kind = self._encodable(array, None)
        largest = float(np.max(np.abs(data))) if data.size else 0.0
        declared: _native.Declared = {
            "shape": list(data.shape),
            "owner": 0,
            "bound": max(np.nextafter(largest, np.inf), 1e-3) if self._world.fraction_bits else None,
            "kind": kind,
            "resident": False,
            "name": None,
            # Scripts that differ in it do not agree.
            "digest": hashlib.blake2b(data.tobytes() + str(data.shape).encode(), digest_size=16).hexdigest(),
        }
        return Tensor(self, self._world.secret(data if here else None, declared))

    def plan(self, *tensors: Tensor, to: Recipients = None) -> Plan:
        """What it will take to reveal these together: bytes, rounds, correlations, memory, time. Nothing runs."""
        outputs, keep = self._outputs(list(tensors), to)
        return Plan(*self._world.plan(outputs, keep))

    def reveal(self, values: Any, *, to: Recipients = None) -> Any:
        """Computes tensors in one run, what they have in common once, and shows them to the parties in `to`, or to all.

        `values` is a tensor, or a list, a tuple or a dict of them; the result has the same form. Where no party of this
        process learns it, it is None.

        >>> import symbolon as sb
        >>> with sb.local("beaver", processes=False) as world:
        ...     x = world.secret([3.0, 4.0], owner=1)
        ...     world.reveal({"sum": x.sum(), "largest": x.max()}, to=0)
        {'sum': np.float64(7.0), 'largest': np.float64(4.0)}
        """
        if isinstance(values, Tensor):
            return self._revealed([values], to)[0]
        if isinstance(values, Mapping):
            return dict(zip(values, self._revealed(list(values.values()), to), strict=True))
        if isinstance(values, (list, tuple)):
            return type(values)(self._revealed(list(values), to))
        raise UsageError(f"tensors are revealed, and lists, tuples and dicts of them; not {type(values).__name__}")

    def start(self) -> None:
        """Starts the parties, or meets those elsewhere, now and not with the first run."""
        self._world.start()

    def release(self) -> None:
        """Frees the memory of all programs that are kept for later calls."""
        self._world.release()

    def close(self) -> None:
        """Ends the session: returns once every party has everything."""
        self._world.close(True)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._world.close(kind is None)

    def _revealed(self, tensors: list[Any], to: Recipients) -> list[Any]:
        outputs, keep = self._outputs(tensors, to)
        arrays, report = self._world.reveal(outputs, keep)
        self._report = Report(report)
        return [shaped(array, tensor) for array, tensor in zip(arrays, tensors, strict=True)]

    def _outputs(self, tensors: list[Any], to: Recipients) -> tuple[list[tuple[_native.Node, list[int]]], bool]:
        if not tensors:
            raise UsageError("nothing is to be revealed")
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise UsageError(f"tensors are revealed, not {type(tensor).__name__}")
            if tensor._session is not self:
                raise OtherSessionError("a value of another session is to be revealed")
        recipients = range(self.parties) if to is None else [to] if isinstance(to, int) else list(to)
        for party in recipients:
            self._check_party(party)
        if not recipients:
            raise UsageError("to = []: name at least one party")
        keep = all(tensor._is_kept for tensor in tensors)
        return [(tensor._node, list(recipients)) for tensor in tensors], keep

    def _check_party(self, party: object) -> None:
        if not isinstance(party, (int, np.integer)) or isinstance(party, bool) or not 0 <= party < self.parties:
            raise UsageError(f"there is no party {party!r}: the protocol has parties 0 to {self.parties - 1}")

    def _encodable(self, value: Any, bound: float | None) -> tuple[NDArray[Any], str | None]:
        """The data as an array that is encoded as it lies, and for integers their kind."""
        if isinstance(value, Tensor):
            raise SecretError("that is a secret already")
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise InputError(f"a secret holds numbers of up to 64 bits, not {array.dtype}")
        if array.ndim > 4:
            raise InputError(f"the data has {array.ndim} axes: there are at most four")
        if array.dtype.kind == "f":
            wrong = np.flatnonzero(~np.isfinite(array))
            if wrong.size:
                place = tuple(int(one) for one in np.unravel_index(wrong[0], array.shape))
                error = InputError(f"the element at {place} is {array[place]}: fill it in, or leave it out")
                error.index = int(wrong[0])
                raise error
        low, high = (array.min(), array.max()) if array.size else (0, 0)
        magnitude = max(-int(low), int(high)) if array.dtype.kind in "iub" else max(-float(low), float(high))
        if bound is not None and magnitude > bound:
            raise InputError(f"the data has a magnitude of {magnitude}, above its bound {bound}")
        if self._world.fraction_bits:
            if array.dtype.kind in "iub" and magnitude > EXACT_INTEGERS:
                raise InputError(f"the integer magnitude {magnitude} is beyond what a float holds exactly, 2**53")
            return np.asarray(array, dtype=np.float64, order="C"), None
        if array.dtype.kind == "f":
            if not np.array_equal(array, np.rint(array)) or magnitude > EXACT_INTEGERS:
                raise InputError(
                    "this session computes on integers (fraction_bits = 0), and the data is of other numbers"
                )
            return np.asarray(array, dtype=np.int64, order="C"), "i64"
        bits = self._world.ring_bits
        signed = array.dtype.kind == "i"
        width = min(32 if array.dtype.itemsize <= 4 else 64, bits)
        most = 2 ** (width - signed)
        if int(high) >= most or int(low) < -most:
            raise InputError(f"the integer magnitude {magnitude} does not fit into {bits} bits")
        return np.asarray(array, np.int64 if signed else np.uint64, order="C"), f"{'i' if signed else 'u'}{width}"


def shaped(array: NDArray[Any] | None, tensor: Tensor) -> Any:
    """What was revealed, in the tensor's shape and type; a single number is a number."""
    if array is None:
        return None
    return array.astype(tensor.dtype, copy=False).reshape(tensor.shape)[()]


def flags(options: Mapping[str, object]) -> list[str]:
    """Options as the command line has them: `budget="2GiB"` is `--budget 2GiB`."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def command() -> Path:
    """The `symbolon` command that the package brings along."""
    path = Path(__file__).parent / "bin" / ("symbolon.exe" if os.name == "nt" else "symbolon")
    if not path.exists():
        raise UsageError(f"{path}: there is no command; build the package by tools/python/build")
    return path


def local(
    protocol: str = "beaver",
    *,
    processes: bool = True,
    ring_bits: int = 64,
    fraction_bits: int = 16,
    truncation: str = "stochastic",
    check: bool = False,
    **options: object,
) -> Session:
    """All parties on this machine: each a process of its own, or with `processes=False` a thread of this one.

    `protocol` is "beaver", two parties and a dealer, or "replicated", three parties. With `fraction_bits=0` it computes
    on integers. `options` are the flags that `symbolon run` has: `device="cpu"`, `budget="2GiB"`, `threads=2`,
    `link="wan"`, and `correlations="pair"` for two parties without a dealer. Parties start with the first run. After a
    run that failed, the next one starts them anew.

    >>> import symbolon as sb
    >>> with sb.local("beaver", threads=1) as world:
    ...     x = world.secret([1.5, -2.0], owner=0)
    ...     w = world.secret([4.0, 0.25], owner=1)
    ...     round(float((x @ w).reveal(to=0)), 3)
    5.5
    """
    opening: _native.Opening = {
        "place": "processes" if processes else "threads",
        "path": str(command()) if processes else None,
        "protocol": protocol,
        "ring_bits": ring_bits,
        "fraction_bits": fraction_bits,
        "truncation": truncation,
        "check": check,
        "flags": flags(options),
    }
    return Session(opening)


def connect(
    config: str | os.PathLike[str],
    protocol: str = "beaver",
    *,
    ring_bits: int = 64,
    fraction_bits: int = 16,
    truncation: str = "stochastic",
    check: bool = False,
    **options: object,
) -> Session:
    """One party of a deployment, as its file says, once it has met the others.

    `config` is a party's file, such as `symbolon init` makes. Every organisation runs the same script; an input is None
    where it is another's. Options are those of `local`.
    """
    opening: _native.Opening = {
        "place": "deployment",
        "path": os.fspath(config),
        "protocol": protocol,
        "ring_bits": ring_bits,
        "fraction_bits": fraction_bits,
        "truncation": truncation,
        "check": check,
        "flags": flags(options),
    }
    session = Session(opening)
    session.start()
    return session
