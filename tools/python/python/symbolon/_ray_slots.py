"""What is asked of each worker of a pool, and what comes of its answers: no process and no network is here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ._errors import PeerError, SymbolonError
from ._ray_worker import Answer, Behind, Done, Failed

FIGURES = ("bytes_sent", "bytes_received", "rounds")
"""Figures of a party's reports that a worker's are the sums of."""


@dataclass
class Slot:
    """The worker of one number, whichever process it is, and its share of the batches: `number`, `number + workers`, …

    It says what is to be asked of it next, and takes its answers. Places count within its own share. `runs` counts how
    often each was tried, `failures` what went wrong beside that. A slot that is over has all its results; where it is
    confirmed, the others have theirs too.
    """

    number: int
    share: range
    most: int
    loaded: bool = False
    place: int = 0
    again: bool = False
    over: bool = False
    confirmed: bool = False
    replaced: int = 0
    runs: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    last: dict[str, Any] | None = None

    def asks(self) -> tuple[str, int]:
        """The next call: the name of a worker's method, and the place of the batch."""
        if not self.loaded:
            return "load", self.place
        if self.again:
            return "run", self.place - 1
        return ("run" if self.place < len(self.share) else "finish"), self.place

    def takes(self, answer: Answer | None) -> tuple[int, Any] | None:
        """Takes the answer to what was asked, or None of a worker that has died. Returns a batch that is done with what
        was learnt of it, if there is one.

        Raises where the worker cannot go on.
        """
        method, place = self.asks()
        if method == "run" and not isinstance(answer, Behind):
            self.runs[place] += 1
        if answer is None:
            self.loaded, self.replaced = False, self.replaced + 1
            self._retry(method, place, "its process ended")
        elif isinstance(answer, Failed):
            if not answer.final:
                self._retry(method, place, answer.line)
            elif method == "finish":
                self.over = True
            else:
                raise answer.error()
        elif isinstance(answer, Behind):
            if self.again or place == 0:
                raise SymbolonError(f"worker {self.number} is at another batch than it was asked for")
            self.again = True
            self._retry("run", place - 1, "another party lacks it")
        elif method == "load":
            self.loaded = True
        elif method == "finish":
            self.over = self.confirmed = True
        else:
            return self._done(place, answer)
        return None

    def _done(self, place: int, done: Done) -> tuple[int, Any] | None:
        self.last = done.report
        for party in (done.report or {}).get("parties", []):
            self.sums.update({name: party.get(name, 0) for name in FIGURES})
        if self.again:
            self.again = False
            return None
        self.place += 1
        return self.share[place], done.values

    def _retry(self, method: str, place: int, cause: str) -> None:
        """Fails where it was tried as often as it may be."""
        if method == "run":
            if self.runs[place] >= self.most:
                raise PeerError(
                    f"batch {self.share[place]} was tried {self.most} times at worker {self.number}, as often as "
                    f"retries allow: {cause}"
                )
            return
        self.failures[method] += 1
        if self.failures[method] < self.most:
            return
        if method != "finish":
            raise PeerError(f"worker {self.number} has failed {self.most} times: {cause}")
        self.over = True

    def report(self) -> dict[str, Any]:
        """What the worker has done, as a row of a table, with the report of its last run."""
        return {
            "worker": self.number,
            "batches": self.place,
            "attempts": sum(self.runs.values()),
            "replaced": self.replaced,
            "confirmed": self.confirmed,
            **{name: self.sums[name] for name in FIGURES},
            "last": self.last,
        }
