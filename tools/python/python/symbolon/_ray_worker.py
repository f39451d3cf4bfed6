"""A worker of a pool: one party's end of a row of sessions, in which it runs its share of the batches in order.

Whenever a session has ended before the work has, the worker opens another one, in which the parties first tell each
other where they are. So they always run the same batch, and one that somebody lacks is run again. Nothing but numbers
comes from the other organisations. What goes wrong is an answer and no exception, so that Ray has no traceback to log.
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _errors
from ._errors import DisagreementError, InputError, PeerError, StoppedError, SymbolonError
from ._program import program
from ._ray_directory import DEALER, SLICE_S, Directory, Node, party_role
from ._session import Session, connect
from ._tensor import Recipients, Tensor

PAUSE_S = 0.25
"""Seconds between two attempts to meet the others."""

DIGIT, DIGITS = 64, 5
"""How numbers are told: in any ring, numbers below 2^30 in so many digits."""

REASONS = {
    1: "its sessions have failed too often",
    2: "one of its workers is missing",
    3: "it was interrupted",
    4: "its own part cannot go on",
}
"""Why a party stops, as the others are told."""


@dataclass(frozen=True)
class Input:
    """What every organisation knows of an input: its owner, its shape and its bound. Its `value` the owner alone has.

    >>> Input(owner=1, shape=(3, 2), bound=4.0, value=[[1.5, 2.0]])
    Input(owner=1, shape=(3, 2), bound=4.0)
    """

    owner: int
    shape: tuple[int, ...]
    bound: float | None = None
    value: ArrayLike | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Task:
    """What a worker is told of the whole; there is nothing secret in it."""

    config: str
    directory: str
    worker: int
    workers: int
    batches: int
    function: Callable[..., Any]
    inputs: Mapping[str, Input]
    residents: Mapping[str, Input]
    to: Recipients
    settings: Mapping[str, Any]
    deadline_s: float

    def awaited(self, party: int) -> list[str]:
        """The roles whose addresses a party needs: it is they who listen for it."""
        is_dealt = self.settings["protocol"] == "beaver" and self.settings.get("correlations") != "pair"
        dealers = [DEALER] if is_dealt else []
        return [*(party_role(lower) for lower in range(party)), *dealers]


# A worker's answers.


@dataclass(frozen=True)
class Done:
    """What was asked for is done. Of a batch: what was learnt, and what it took."""

    values: Any = field(default=None, repr=False)
    report: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Behind:
    """Another party lacks the batch before this one: that one is to be run again first."""


@dataclass(frozen=True)
class Failed:
    """It went wrong: the class, the line and the fields of the exception; where `final` is set, it would again."""

    kind: str
    line: str
    fields: Mapping[str, Any]
    final: bool

    @classmethod
    def of(cls, error: Exception) -> Failed:
        """What a failure is to the driver: of exceptions of others only the class, since the text may have data."""
        if not isinstance(error, SymbolonError):
            return cls.unknown(type(error).__name__)
        fields = {name: value for name, value in vars(error).items() if isinstance(value, (int, str, tuple))}
        final = not isinstance(error, PeerError) or isinstance(error, (DisagreementError, StoppedError, AbsentError))
        kind = "PeerError" if isinstance(error, AbsentError) else type(error).__name__
        return cls(kind, str(error), fields, final)

    @classmethod
    def unknown(cls, name: str) -> Failed:
        """A failure that is none of this package's."""
        return cls("SymbolonError", f"a worker fails by {name}: try the same with sb.local", {}, True)

    def error(self) -> SymbolonError:
        """The exception again."""
        error: SymbolonError = getattr(_errors, self.kind)(self.line)
        for name, value in self.fields.items():
            setattr(error, name, value)
        return error


Answer = Done | Behind | Failed


class AbsentError(PeerError):
    """Another party has not come in time, and is not awaited again."""


def digits(numbers: Sequence[int]) -> NDArray[np.float64]:
    """Numbers, each as its digits, which are numbers of any ring.

    >>> numbers(digits([0, 5, 200_000_000]))
    [0, 5, 200000000]
    """
    return np.array([number // DIGIT**place % DIGIT for number in numbers for place in range(DIGITS)], np.float64)


def numbers(told: NDArray[Any]) -> list[int]:
    """Numbers that were told."""
    rows = np.rint(told).astype(np.int64).reshape(-1, DIGITS)
    return [int(sum(int(digit) * DIGIT**place for place, digit in enumerate(row))) for row in rows]


def agreed(own: int, told: Mapping[int, Sequence[int]], names: Sequence[str]) -> int:
    """Where the parties go on, of what each has told: facts that all have in common, its next batch, why it stops.

    >>> agreed(0, {0: [0, 2, 9, 3, 0], 1: [0, 2, 9, 2, 0]}, ["worker", "workers", "batches"])
    2
    """
    here = told[own]
    for party, there in told.items():
        for name, mine, its in zip(names, here, there, strict=False):
            if mine != its:
                error = DisagreementError(f"party {party} does not agree: {name} is {mine} here and {its} there")
                error.field, error.here, error.there, error.party = name, str(mine), str(its), party
                raise error
    for party, there in told.items():
        if there[-1] and party != own:
            raise StoppedError(f"party {party} has stopped: {REASONS.get(there[-1], REASONS[4])}")
    if here[-1]:
        return here[-2]
    places = {party: there[-2] for party, there in told.items()}
    first, last = min(places, key=lambda one: places[one]), max(places, key=lambda one: places[one])
    if places[first] < places[last] - 1:
        raise DisagreementError(
            f"party {first} asks again for what it has had: it is at its batch {places[first]}, and party {last} at "
            f"{places[last]}"
        )
    return places[first]


class Worker:
    """One worker. Of its batches it counts those of its own share: its first one is 0, whatever number that has."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._node: Node | None = None
        self._function = program(task.function)
        self._arrays: dict[str, NDArray[Any]] = {}
        self._session: Session | None = None
        self._residents: dict[str, Tensor] = {}
        self._place = 0

    def __repr__(self) -> str:
        return f"<worker {self._task.worker} of {self._task.workers}>"

    def load(self, arrays: dict[str, NDArray[Any]]) -> Answer:
        """Takes this party's residents, which every session of this worker starts with."""
        try:
            self._node = Node.read(self._task.config)
        except Exception as error:
            return Failed.of(error)
        self._arrays = arrays
        return Done()

    def run(self, place: int, arrays: dict[str, NDArray[Any]]) -> Answer:
        """Runs a batch with the others; it is one query to each of them."""
        try:
            session = self._met(place)
            if self._place < place:
                return Behind()
            if self._place > place:
                raise PeerError(f"worker {self._task.worker} is at its batch {self._place}, not {place}")
            brought = {name: self._secret(session, name, one, arrays) for name, one in self._task.inputs.items()}
            values = session.reveal(self._function(**brought, **self._residents), to=self._task.to)
            self._place = place + 1
            return Done(values, session.report.to_dict())
        except Exception as error:
            self._leave()
            return Failed.of(error)

    def finish(self, place: int) -> Answer:
        """Ends the session, once all parties have everything."""
        try:
            session = self._met(place)
            if self._place < place:
                return Behind()
            self._session = None
            session.close()
            return Done()
        except Exception as error:
            self._leave()
            return Failed.of(error)

    def stop(self, reason: int, deadline_s: float) -> Answer:
        """Leaves the others, and tells them why."""
        self._leave()
        try:
            self._meet(self._place, reason, deadline_s)
            self._hear()
        except StoppedError:
            pass
        except Exception as error:
            return Failed.of(error)
        finally:
            self._leave()
        return Done()

    def _met(self, place: int) -> Session:
        """A session in which the parties know where each of them is."""
        if self._session is None:
            return self._meet(place, 0, self._task.deadline_s)
        return self._session

    def _meet(self, place: int, stops: int, deadline_s: float) -> Session:
        """Opens a session by the addresses that the directory has, as often as it takes within the deadline."""
        end = time.monotonic() + deadline_s
        while True:
            left = end - time.monotonic()
            try:
                session = self._connected(max(1, min(SLICE_S, int(left))))
                break
            except DisagreementError:
                raise
            except PeerError as error:
                if time.monotonic() + PAUSE_S >= end:
                    line = f"worker {self._task.worker} has not met the others within {deadline_s:g} s: {error}"
                    raise AbsentError(line) from None
            time.sleep(PAUSE_S)
        self._session = session
        task = self._task
        facts = {"worker": task.worker, "workers": task.workers, "batches": task.batches}
        told = session.reveal(
            [
                session.secret(
                    digits([*facts.values(), place, stops]) if party in session.own else None,
                    owner=party,
                    shape=((len(facts) + 2) * DIGITS,),
                    bound=DIGIT,
                )
                for party in range(session.parties)
            ]
        )
        heard = {party: numbers(one) for party, one in enumerate(told)}
        try:
            self._place = agreed(session.own[0], heard, list(facts))
        except (DisagreementError, StoppedError):
            self._hear()
            raise
        residents = {} if stops else task.residents
        self._residents = {
            name: self._secret(session, name, one, self._arrays, resident=True) for name, one in residents.items()
        }
        return session

    def _connected(self, deadline_s: int) -> Session:
        """One attempt to meet the others."""
        task, node = self._task, self._node
        if node is None or node.party is None:
            raise InputError(f"{task.config} is no party's file")
        directory, own = Directory(task.directory), node.party
        if node.listen is not None:
            directory.write(party_role(own), task.worker, node.address(task.worker, machine))
        places = {role: directory.read(role, task.worker) for role in task.awaited(own)}
        for role, address in places.items():
            if address is None:
                raise PeerError(
                    f"{role} has not said where its worker {task.worker} is: "
                    f"{directory.entry(role, task.worker)} is missing"
                )
        peers = {party: places[party_role(party)] for party in range(own)}
        with tempfile.TemporaryDirectory(prefix="symbolon-") as folder:
            path = Path(folder) / "party.toml"
            path.write_text(node.file(task.worker, peers, places.get(DEALER)), encoding="utf-8")
            return connect(path, **{**task.settings, "deadline": deadline_s})

    def _secret(
        self, session: Session, name: str, declared: Input, arrays: Mapping[str, Any], resident: bool = False
    ) -> Tensor:
        own = declared.owner in session.own
        return session.secret(
            arrays[name] if own else None,
            owner=declared.owner,
            bound=declared.bound,
            shape=declared.shape,
            resident=resident,
        )

    def _hear(self) -> None:
        """Ends the session once all parties have heard what each has told."""
        if self._session is not None:
            with contextlib.suppress(SymbolonError):
                self._session.close()

    def _leave(self) -> None:
        """Ends the session at once, if there is one; the others are told."""
        session, self._session, self._residents = self._session, None, {}
        if session is not None:
            session._world.close(False)


def machine() -> str:
    """The name by which the other machines of the cluster find this one."""
    return str(importlib.import_module("ray.util").get_node_ip_address())
