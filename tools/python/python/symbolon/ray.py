"""A prepared program over many batches, by a pool of workers of each organisation on its own Ray cluster.

Worker i of one organisation opens a session with worker i of the others, loads the residents once, and runs every i-th
batch. A worker that dies is replaced, and its batch is run again, in another session and so with fresh correlations.
Every run is one more query to the other organisations, who could give other data each time: so how often one batch may
be run is bounded at each of them. Results come in the order of the batches, each once.

Organisations meet through sessions alone: what they share besides is a directory of addresses (`_ray_directory`). Ray
is needed where `map` is called, and not otherwise.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ._errors import (
    DisagreementError,
    InputError,
    PeerError,
    ResourceError,
    StoppedError,
    UsageError,
)
from ._program import program
from ._ray_directory import Dealers, Node, check_workers
from ._ray_slots import Slot
from ._ray_worker import Answer, Done, Failed, Input, Task, Worker
from ._session import Session, local
from ._tensor import Recipients, Tensor

__all__ = ["Dealers", "Input", "Progress", "Results", "map"]

TELLING_S = 30
"""Seconds in which the others are told that this organisation stops: longer than it takes them to miss a worker."""

POLL_S = 0.5
"""Seconds after which a wait for the workers looks at the clock."""

MOST_BATCHES = 1 << 24
"""Most batches of a map."""


@dataclass(frozen=True)
class Progress:
    """Where a map is: of so many batches so many are done, after so many failures."""

    done: int
    batches: int
    failed: int


class Cluster(Protocol):
    """Where workers are: Ray, or in tests something in its place."""

    def start(self, task: Task) -> Any:
        """A new worker."""

    def put(self, value: Any) -> Any:
        """A value that several calls are given."""

    def ask(self, worker: Any, method: str, *arguments: Any) -> Any:
        """A call, which goes on meanwhile."""

    def wait(self, calls: Sequence[Any], timeout_s: float) -> tuple[Any, Answer | None] | None:
        """A call that has ended and its answer, which is None where the worker has died."""

    def end(self, worker: Any) -> None:
        """Ends a worker's process."""


class RayCluster:
    """The Ray cluster that this process is connected to."""

    def __init__(self, resources: Mapping[str, Any]) -> None:
        try:
            self._ray = importlib.import_module("ray")
        except ModuleNotFoundError:
            raise UsageError("Ray is not installed: pip install ray") from None
        if not self._ray.is_initialized():
            raise UsageError("call ray.init(address=…) first: each organisation has a Ray cluster of its own")
        # What is to be run again this module says, and not Ray.
        options = {"num_cpus": 1, **resources, "max_restarts": 0, "max_task_retries": 0}
        self._actor = self._ray.remote(**options)(Worker)

    def start(self, task: Task) -> Any:
        return self._actor.remote(task)

    def put(self, value: Any) -> Any:
        return self._ray.put(value)

    def ask(self, worker: Any, method: str, *arguments: Any) -> Any:
        return getattr(worker, method).remote(*arguments)

    def wait(self, calls: Sequence[Any], timeout_s: float) -> tuple[Any, Answer | None] | None:
        ended, _ = self._ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        if not ended:
            return None
        errors = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(ended[0])
        except errors.RayTaskError as error:
            return ended[0], Failed.unknown(type(error.cause).__name__)
        except errors.RayError:
            return ended[0], None
        return ended[0], Done(writable(answer.values), answer.report) if isinstance(answer, Done) else answer

    def end(self, worker: Any) -> None:
        self._ray.kill(worker)


class Batches:
    """What this organisation brings: its residents, and of each batch its own inputs. All is held against what is
    declared before anybody else hears of it."""

    def __init__(
        self,
        batches: Sequence[Any] | int,
        inputs: Mapping[str, Input],
        residents: Mapping[str, Input],
        own: int | None,
        trial: Session,
    ) -> None:
        self._trial, self._batches, self._inputs = trial, batches, inputs
        self._own = [name for name, one in inputs.items() if one.owner == own]
        twice = inputs.keys() & residents.keys()
        if twice:
            raise UsageError(f"{min(twice)} is an input and a resident")
        valued = [name for name, one in inputs.items() if one.value is not None]
        if valued:
            raise UsageError(f"{valued[0]} has a value: the values of inputs are the batches'")
        if own is None or own not in trial.own:
            raise UsageError(f"party = {own}: the protocol has parties 0 to {trial.parties - 1}")
        if not isinstance(batches, int) and not (hasattr(batches, "__len__") and hasattr(batches, "__getitem__")):
            raise UsageError("batches are a sequence, which may load each when it is asked for, or their number")
        self.count = batches if isinstance(batches, int) else len(batches)
        if not 0 <= self.count <= MOST_BATCHES:
            raise UsageError(f"{self.count} batches: there are at most {MOST_BATCHES}")
        if isinstance(batches, int) and self._own:
            raise InputError(f"{self._own[0]} is this party's: bring its batches, not how many there are")
        self.residents: dict[str, NDArray[Any]] = {}
        for name, one in residents.items():
            if (one.value is None) == (one.owner == own):
                whose = (
                    "this party's, and has no value" if one.value is None else f"party {one.owner}'s, not this one's"
                )
                raise InputError(f"the resident {name} is {whose}")
            if one.value is not None:
                self.residents[name] = self._checked(one, one.value, f"the resident {name}")

    def tensors(self, declared: Mapping[str, Input]) -> dict[str, Tensor]:
        """Secrets as they are declared, of which nothing is known."""
        return {
            name: self._trial.secret(np.zeros(one.shape), owner=one.owner, bound=one.bound, shape=one.shape)
            for name, one in declared.items()
        }

    def __getitem__(self, batch: int) -> dict[str, NDArray[Any]]:
        """This party's inputs of a batch."""
        if isinstance(self._batches, int) or not self._own:
            return {}
        brought = self._batches[batch]
        if not isinstance(brought, Mapping):
            brought = {self._own[0]: brought}
        if sorted(brought) != sorted(self._own):
            raise InputError(f"batch {batch} brings {', '.join(brought)}, and not {', '.join(self._own)}")
        what = f"batch {batch}, {{}}"
        return {name: self._checked(self._inputs[name], brought[name], what.format(name)) for name in self._own}

    def _checked(self, declared: Input, value: Any, what: str) -> NDArray[Any]:
        try:
            array = np.asarray(value)
            self._trial.secret(array, owner=declared.owner, bound=declared.bound, shape=declared.shape)
        except InputError as error:
            error.args = (f"{what}: {error}",)
            raise
        return array


class Results(Iterator[Any]):
    """What is learnt of each batch, in their order; the last one once all parties have everything. To take them is what
    drives the workers: take all, or `close`."""

    def __init__(
        self,
        cluster: Cluster,
        tasks: Sequence[Task],
        batches: Batches,
        retries: int,
        start_s: float,
        progress: Callable[[Progress], None],
    ) -> None:
        self._cluster, self._tasks, self._batches = cluster, tasks, batches
        self._start_s, self._progress = start_s, progress
        count, workers = batches.count, len(tasks)
        self._slots = [Slot(number, range(number, count, workers), 1 + retries) for number in range(workers)]
        self._workers: dict[int, Any] = {}
        # Calls that go on, and since when a worker is awaited that has been started.
        self._calls: dict[Any, Slot] = {}
        self._started_at: dict[int, float] = {}
        self._failed = 0
        self._residents = cluster.put(batches.residents)
        self._driven = self._drive()

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What each worker has done so far: a row each, as `pandas.DataFrame` takes them."""
        return [slot.report() for slot in self._slots]

    def __repr__(self) -> str:
        done = sum(slot.place for slot in self._slots)
        return f"<{done} of {self._batches.count} batches done>"

    def __iter__(self) -> Results:
        return self

    def __next__(self) -> Any:
        return next(self._driven)

    def close(self) -> None:
        """Stops, where not all is done; the others are told."""
        self._driven.close()

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drive(self) -> Generator[Any]:
        learnt: dict[int, Any] = {}
        following = 0
        try:
            for slot in self._slots:
                self._ask(slot)
            while self._calls:
                ended = self._cluster.wait(list(self._calls), POLL_S)
                self._check_started()
                if ended is None:
                    continue
                done = self._take(*ended)
                if done is not None:
                    learnt[done[0]] = done[1]
                # The last result comes once nothing can go wrong any more.
                while following in learnt and following + 1 < self._batches.count:
                    yield learnt.pop(following)
                    following += 1
            if following in learnt:
                yield learnt.pop(following)
        except BaseException as error:
            # Of these all know already.
            if not isinstance(error, (StoppedError, DisagreementError)) and not all(slot.over for slot in self._slots):
                self._tell(reason(error))
            raise
        finally:
            self._end()

    def _ask(self, slot: Slot) -> None:
        """Has a slot's worker do what comes next; where there is none, starts one."""
        if slot.number not in self._workers:
            self._workers[slot.number] = self._cluster.start(self._tasks[slot.number])
            self._started_at[slot.number] = time.monotonic()
        method, place = slot.asks()
        arguments: list[Any] = [self._residents] if method == "load" else [place]
        if method == "run":
            arguments.append(self._batches[slot.share[place]])
        self._calls[self._cluster.ask(self._workers[slot.number], method, *arguments)] = slot

    def _take(self, call: Any, answer: Answer | None) -> tuple[int, Any] | None:
        slot = self._calls.pop(call)
        self._started_at.pop(slot.number, None)
        if answer is None:
            del self._workers[slot.number]
        done = slot.takes(answer)
        if answer is None or isinstance(answer, Failed):
            self._failed += 1
        elif done is None:
            self._go_on(slot)
            return None
        self._progress(Progress(sum(one.place for one in self._slots), self._batches.count, self._failed))
        self._go_on(slot)
        return done

    def _go_on(self, slot: Slot) -> None:
        if not slot.over:
            self._ask(slot)

    def _check_started(self) -> None:
        now = time.monotonic()
        for number, since in self._started_at.items():
            if now - since > self._start_s:
                raise ResourceError(
                    f"worker {number} of {len(self._slots)} has not started in {self._start_s:g} s: has the Ray "
                    "cluster room for it (see `ray status`), and symbolon on every machine?"
                )

    def _tell(self, reason: int) -> None:
        """Tells the others that this organisation stops; a worker that has died is replaced for it. All of them hear it
        in one session, so one that has told them is enough."""
        calls = []
        for slot in self._slots:
            if slot.over or slot.number in self._started_at:
                continue
            if slot.number not in self._workers:
                self._workers[slot.number] = self._cluster.start(self._tasks[slot.number])
                self._cluster.ask(self._workers[slot.number], "load", self._residents)
            calls.append(self._cluster.ask(self._workers[slot.number], "stop", reason, 2 / 3 * TELLING_S))
        end = time.monotonic() + TELLING_S
        while calls and time.monotonic() < end:
            ended = self._cluster.wait(calls, POLL_S)
            if ended is None:
                continue
            calls.remove(ended[0])
            if isinstance(ended[1], Done):
                return

    def _end(self) -> None:
        for worker in self._workers.values():
            self._cluster.end(worker)
        self._workers.clear()
        self._calls.clear()


def reason(error: BaseException) -> int:
    """What the others are told of a failure: a number of `REASONS`."""
    kinds: list[tuple[type[BaseException] | tuple[type[BaseException], ...], int]] = [
        ((KeyboardInterrupt, GeneratorExit), 3),
        (ResourceError, 2),
        (PeerError, 1),
    ]
    return next((number for kind, number in kinds if isinstance(error, kind)), 4)


def on_terminal(progress: Progress) -> None:
    """Shows progress where somebody sees it."""
    if sys.stderr.isatty():
        failed = f", {progress.failed} failed and done again" if progress.failed else ""
        end = "\n" if progress.done == progress.batches else ""
        print(f"\r{progress.done} of {progress.batches} batches{failed}", end=end, file=sys.stderr, flush=True)


def map(
    function: Callable[..., Any],
    batches: Sequence[Any] | int,
    *,
    config: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    workers: int,
    inputs: Mapping[str, Input],
    residents: Mapping[str, Input] | None = None,
    to: Recipients = None,
    protocol: str = "beaver",
    retries: int = 2,
    deadline_s: float = 60,
    start_s: float = 120,
    resources: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] = on_terminal,
    **options: object,
) -> Results:
    """Runs `function` on every batch, by `workers` workers on this organisation's Ray cluster, and gives what `to`
    learn of each in order. The other organisations call it at the same time, with the same arguments but for what is
    theirs.

    `function` takes secrets by name and returns what is to be revealed: those of `inputs` are of one batch each, those
    of `residents` stay in every worker's device memory. A batch is this party's array, or a dict of its arrays by name,
    of the declared shapes; a party that brings none says how many there are. `config` is the party's file as `symbolon
    init` makes it, at the same place on every machine of the cluster; `directory` is where all find each other's
    workers.

    A batch is run again at most `retries` times, whichever organisation's worker has failed: each is one more query to
    the others. `deadline_s` is for the parties' workers to meet, `start_s` for Ray to start one. `resources` are
    options of Ray's actors (`num_cpus`, `num_gpus`), and `options` those of `connect`.
    """
    check_workers(workers)
    if not isinstance(retries, int) or retries < 0:
        raise UsageError(f"retries = {retries!r}: that is a number from 0")
    if "deadline" in options:
        raise UsageError("deadline: of a map it is deadline_s")
    residents = dict(residents or {})
    place, own = os.path.abspath(config), Node.read(config).party
    # Parties that never start, for what is wrong to be said here and before anybody else hears of it.
    trial = local(protocol, processes=False, **options)  # type: ignore[arg-type]
    checked = Batches(batches, inputs, residents, own, trial)
    trial._outputs(tensors(program(function)(**checked.tensors({**inputs, **residents}))), to)
    cluster = RayCluster(resources or {})
    tasks = [
        Task(
            config=place,
            directory=os.path.abspath(directory),
            worker=worker,
            workers=workers,
            batches=checked.count,
            function=function,
            inputs=declared(inputs),
            residents=declared(residents),
            to=to,
            settings={"protocol": protocol, **options},
            deadline_s=deadline_s,
        )
        for worker in range(workers)
    ]
    return Results(cluster, tasks, checked, retries, start_s, progress)


def declared(inputs: Mapping[str, Input]) -> dict[str, Input]:
    """Inputs without their values."""
    return {name: Input(one.owner, tuple(one.shape), one.bound) for name, one in inputs.items()}


def tensors(result: Any) -> list[Any]:
    """The tensors of what a function returns, as `reveal` takes it."""
    if isinstance(result, Mapping):
        return list(result.values())
    return list(result) if isinstance(result, (list, tuple)) else [result]


def writable(values: Any) -> Any:
    """What was learnt, in arrays of its own and not in memory of Ray's."""
    if isinstance(values, np.ndarray):
        return values.copy()
    if isinstance(values, dict):
        return {name: writable(value) for name, value in values.items()}
    return type(values)(writable(value) for value in values) if isinstance(values, (list, tuple)) else values
