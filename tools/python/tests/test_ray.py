"""Pools of workers, without Ray: threads take the place of its processes, and all else is as it is with it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import symbolon as sb
from hypothesis import given
from hypothesis import strategies as st
from symbolon import ray
from symbolon._ray_directory import Directory, Node, parts
from symbolon._ray_slots import Slot
from symbolon._ray_worker import REASONS, Behind, Done, Failed, Task, Worker, agreed
from symbolon._session import command
from test_processes import free_ports

tomllib = pytest.importorskip("tomllib")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the directory's files are those of Unix")
FACTS = ["worker", "workers", "batches"]
BROKEN = Failed("PeerError", "the connection with party 1 ended", {}, False)


# The directory.


def test_what_a_side_writes_the_other_reads(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "pool")
    assert directory.read("party0", 3) is None
    for address in ("node-a.example:7003", "10.0.0.7:7003", "[fd00::1]:7003"):
        directory.write("party0", 3, address)
        assert directory.read("party0", 3) == address
    assert [path.name for path in (tmp_path / "pool" / "party0").iterdir()] == ["worker3.toml"]


STRANGE: dict[str, bytes] = {
    "no TOML": b"address",
    "no address": b'address = "node"',
    "port 0": b'address = "node:0"',
    "a line within": b'address = "node:1\\" }\\nidentity = \\"x:1"',
    "something more": b'address = "node:7000"\nidentity = "/"',
    "another type": b"address = 7000",
    "too long": b'address = "node:7000"\n#' + b"x" * 2000,
    "not ASCII": b'address = "n\xc3\xb6de:7000"',
    "nothing": b"",
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_another_organisation_wrote_is_an_address_or_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "party1").mkdir()
    (tmp_path / "party1" / "worker0.toml").write_bytes(STRANGE[name])
    with pytest.raises(sb.PeerError, match="party1 wrote no address there"):
        Directory(tmp_path).read("party1", 0)


def test_links_and_pipes_of_another_organisation_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "party1").mkdir()
    (tmp_path / "own.toml").write_text('address = "node:7000"')
    (tmp_path / "party1" / "worker0.toml").symlink_to(tmp_path / "own.toml")
    os.mkfifo(tmp_path / "party1" / "worker1.toml")
    for worker in (0, 1):
        with pytest.raises(sb.PeerError):
            Directory(tmp_path).read("party1", worker)


def test_a_worker_has_a_party_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "party.toml"
    file.write_text('party = 1\nlisten = "0.0.0.0:7001"\npeers = { 0 = "old:1" }\nidentity = "."\nstreams = 2\n')
    node = Node.read(file)
    text = node.file(3, {0: "node-a.example:7003"}, "[fd00::1]:7103")
    assert tomllib.loads(text) == {
        "party": 1,
        "listen": "0.0.0.0:7004",
        "peers": {"0": "node-a.example:7003"},
        "dealer": "[fd00::1]:7103",
        "identity": str(tmp_path),
        "streams": 2,
    }
    assert node.address(3, lambda: "machine") == "machine:7004"
    with pytest.raises(sb.InputError, match="port 65536"):
        node.port(65536 - 7001)
    assert parts("a:b:1") is None


def test_a_file_that_is_no_party_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("secret = [")
    for name, line in (("missing", "symbolon init"), ("text", "that is no TOML")):
        with pytest.raises(sb.InputError, match=line) as caught:
            Node.read(tmp_path / name)
        assert "secret" not in str(caught.value).replace(str(tmp_path), "")


# What parties tell each other when they meet.


def test_parties_go_on_where_the_last_of_them_is() -> None:
    told = {0: [1, 4, 30, 5, 0], 1: [1, 4, 30, 4, 0], 2: [1, 4, 30, 5, 0]}
    assert [agreed(own, told, FACTS) for own in told] == [4, 4, 4]


@pytest.mark.parametrize(("place", "field"), list(enumerate(FACTS)))
def test_pools_that_differ_are_told_in_what(place: int, field: str) -> None:
    there = [1, 4, 30, 5, 0]
    there[place] += 1
    with pytest.raises(sb.DisagreementError, match=f"party 1 does not agree: {field}") as caught:
        agreed(0, {0: [1, 4, 30, 5, 0], 1: there}, FACTS)
    assert (caught.value.field, caught.value.party) == (field, 1)


def test_a_party_that_stops_is_named_with_its_reason() -> None:
    for number, line in REASONS.items():
        with pytest.raises(sb.StoppedError, match=f"party 1 has stopped: {line}"):
            agreed(0, {0: [1, 4, 30, 5, 0], 1: [1, 4, 30, 5, number]}, FACTS)
        # Wherever the new worker is by which it says so.
        assert agreed(1, {0: [1, 4, 30, 5, 0], 1: [1, 4, 30, 0, number]}, FACTS) == 0


def test_a_party_may_ask_for_the_last_batch_again_and_for_none_before() -> None:
    for own in range(2):
        with pytest.raises(sb.DisagreementError, match="party 1 asks again for what it has had"):
            agreed(own, {0: [1, 4, 30, 5, 0], 1: [1, 4, 30, 3, 0]}, FACTS)


# What is asked of a worker.


def loaded(count: int = 3, retries: int = 2) -> Slot:
    slot = Slot(1, range(1, 1 + 4 * count, 4), 1 + retries)
    slot.takes(Done())
    return slot


def test_a_worker_runs_its_share_in_order() -> None:
    slot, delivered = loaded(), []
    while slot.asks()[0] == "run":
        delivered.append(slot.takes(Done(slot.asks()[1])))
    assert delivered == [(1, 0), (5, 1), (9, 2)]
    assert slot.asks() == ("finish", 3)
    slot.takes(Done())
    assert (slot.over, slot.report()["confirmed"], slot.report()["attempts"]) == (True, True, 3)


def test_a_batch_is_done_again_a_bounded_number_of_times() -> None:
    for answers in ([BROKEN] * 3, [None, BROKEN, None]):
        slot = loaded()
        for answer in answers[:2]:
            assert slot.takes(answer) is None
            if slot.asks()[0] == "load":
                slot.takes(Done())
        with pytest.raises(sb.PeerError, match="batch 1 was tried 3 times at worker 1, as often as retries allow"):
            slot.takes(answers[2])
    with pytest.raises(sb.PeerError, match="tried 1 times"):
        loaded(retries=0).takes(BROKEN)


def test_what_another_party_lacks_is_run_again_and_not_delivered_again() -> None:
    slot = loaded()
    assert slot.takes(Done("first")) == (1, "first")
    assert slot.takes(Behind()) is None
    assert slot.asks() == ("run", 0)
    assert slot.takes(Done("first")) is None
    assert slot.takes(Done("second")) == (5, "second")
    assert slot.report()["attempts"] == 3
    # However often another party says so.
    slot = loaded()
    for answer in (Done(), Behind(), Done(), Behind(), Done()):
        slot.takes(answer)
    with pytest.raises(sb.PeerError, match="batch 1 was tried 3 times at worker 1"):
        slot.takes(Behind())


def test_what_would_go_wrong_again_is_not_tried_again() -> None:
    with pytest.raises(sb.DisagreementError) as caught:
        loaded().takes(Failed("DisagreementError", "party 1 does not agree", {"party": 1}, True))
    assert caught.value.party == 1


def test_all_that_was_learnt_is_delivered_though_others_vanish_at_the_end() -> None:
    slot = loaded(1)
    assert slot.takes(Done("all")) == (1, "all")
    slot.takes(BROKEN)
    slot.takes(Failed("PeerError", "worker 1 has not met the others", {}, True))
    assert (slot.over, slot.confirmed) == (True, False)


@given(parties=st.integers(2, 3), count=st.integers(0, 5), retries=st.integers(0, 3), data=st.data())
def test_whatever_fails_parties_run_the_same_batch_and_deliver_each_once(
    parties: int, count: int, retries: int, data: st.DataObject
) -> None:
    """All parties' workers of one number as a table: where each is, and whether its session lasts."""
    slots = [loaded(count, retries) for _ in range(parties)]
    delivered: list[list[tuple[int, Any]]] = [[] for _ in slots]
    ran: Counter[int] = Counter()
    meeting: int | None = None
    for _ in range(200):
        if all(slot.over for slot in slots):
            break
        for slot in slots:
            if slot.asks()[0] == "load":
                slot.takes(Done())
        asked = [slot.asks() for slot in slots]
        if meeting is None:
            meeting = min(place for _, place in asked)
            assert all(slot.place - meeting <= 1 for slot in slots), "nobody is asked for what it has had"
        if any(place > meeting for _, place in asked):
            for slot, (_, place) in zip(slots, asked, strict=True):
                if place > meeting and not slot.over:
                    if slot.runs[meeting] == slot.most:
                        return
                    slot.takes(Behind())
            continue
        assert {place for _, place in asked} == {meeting}
        fate = data.draw(
            st.lists(st.sampled_from(["done", "done", "done", "broken", "dead"]), min_size=parties, max_size=parties)
        )
        is_last = asked[0][0] == "finish"
        ran[meeting] += not is_last
        for number, slot in enumerate(slots):
            answer = {"done": Done(meeting), "broken": BROKEN, "dead": None}[fate[number]]
            try:
                done = slot.takes(answer)
            except sb.PeerError:
                assert slot.runs[meeting] == slot.most or is_last
                return
            delivered[number].extend([done] if done is not None else [])
        meeting = meeting + 1 if set(fate) == {"done"} else None
    for got in delivered:
        assert got == [(batch, place) for place, batch in enumerate(range(1, 1 + 4 * count, 4))]
    assert all(runs <= 1 + retries for runs in ran.values()), "so often the others are asked at most"


def test_an_exception_of_others_is_named_by_its_class_alone() -> None:
    failed = Failed.of(KeyError("salary 1234"))
    assert "1234" not in repr(failed)
    assert "KeyError" in str(failed.error())


# A pool of threads.


class Threads:
    """Workers as threads. `dies` says of a call whether the worker dies in it."""

    def __init__(
        self, make: Callable[[Task], Any] = Worker, dies: Callable[[int, str, int], bool] | None = None
    ) -> None:
        self.make, self.dies = make, dies or (lambda *_: False)
        self.pool = ThreadPoolExecutor(64)
        self.turns: dict[int, threading.Lock] = {}
        self.asked: list[tuple[int, str, int]] = []

    def start(self, task: Task) -> Any:
        worker = self.make(task)
        self.turns[id(worker)] = threading.Lock()
        return worker, task.worker

    def put(self, value: Any) -> Any:
        return value

    def ask(self, worker: Any, method: str, *arguments: Any) -> Future[Any]:
        held, number = worker
        key = (number, method, arguments[0] if isinstance(arguments[0], int) else 0)
        self.asked.append(key)
        dies = self.dies(*key)

        def answer() -> Any:
            with self.turns[id(held)]:
                if not dies:
                    return getattr(held, method)(*arguments)
                if method == "run":
                    held._met(arguments[0])
                held._leave()
                return None

        return self.pool.submit(answer)

    def wait(self, calls: Sequence[Any], timeout_s: float) -> tuple[Any, Any] | None:
        ended = wait(calls, timeout_s, FIRST_COMPLETED).done
        call = next(iter(ended), None)
        return None if call is None else (call, call.result())

    def end(self, worker: Any) -> None:
        worker[0]._leave()


class Slow:
    """A worker of which nobody learns anything but the number of a batch, at once or after a while."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def load(self, _: Any) -> Done:
        return Done()

    def run(self, place: int, _: Any) -> Done:
        number = self.task.worker + place * self.task.workers
        threading.Event().wait(0.001 * (number * 7 % 5))
        return Done(number)

    def finish(self, _: int) -> Done:
        return Done()

    def stop(self, *_: Any) -> Done:
        return Done()

    def _leave(self) -> None:
        pass

    def _met(self, _: int) -> None:
        pass


@pytest.fixture
def party(tmp_path: Path) -> Path:
    """The file of a party that nobody meets."""
    file = tmp_path / "party.toml"
    file.write_text('party = 0\nlisten = "127.0.0.1:7000"\nidentity = "."\n')
    return file


def pool(monkeypatch: pytest.MonkeyPatch, cluster: Any, config: Path, batches: Any, **options: Any) -> ray.Results:
    """A map on such a cluster."""
    monkeypatch.setattr(ray, "RayCluster", lambda _: cluster)
    options = {"inputs": {"x": ray.Input(0, (2, 2), 8.0)}, "directory": config.parent, "workers": 3, **options}
    return ray.map(lambda x: x.sum(), batches, config=config, device="cpu", threads=1, **options)


def test_results_are_in_order_each_once(monkeypatch: pytest.MonkeyPatch, party: Path) -> None:
    died: Counter[tuple[int, str, int]] = Counter()

    def dies(*key: Any) -> bool:
        died[key] += 1
        return key in [(1, "run", 2), (2, "load", 0), (0, "finish", 7)] and died[key] == 1

    seen: list[ray.Progress] = []
    cluster = Threads(Slow, dies)
    results = pool(monkeypatch, cluster, party, [np.ones((2, 2))] * 20, progress=seen.append)
    assert repr(results) == "<0 of 20 batches done>"
    assert list(results) == list(range(20))
    assert [row["batches"] for row in results.reports] == [7, 7, 6]
    assert [row["replaced"] for row in results.reports] == [1, 1, 1]
    assert seen[-1].done == 20
    assert sorted(seen, key=lambda one: (one.done, one.failed)) == seen
    assert list(results) == []


def test_the_others_are_told_that_a_map_is_given_up(monkeypatch: pytest.MonkeyPatch, party: Path) -> None:
    cluster = Threads(Slow, lambda number, method, place: (number, method, place) == (1, "run", 2))
    results = pool(monkeypatch, cluster, party, [np.ones((2, 2))] * 60)
    with pytest.raises(sb.PeerError, match="batch 7 was tried 3 times at worker 1"):
        list(results)
    assert {key for key in cluster.asked if key[1] == "stop"} == {(number, "stop", 1) for number in range(3)}


def test_the_others_are_told_that_somebody_has_seen_enough(monkeypatch: pytest.MonkeyPatch, party: Path) -> None:
    cluster = Threads(Slow)
    with pool(monkeypatch, cluster, party, [np.ones((2, 2))] * 60) as results:
        assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    assert {key for key in cluster.asked if key[1] == "stop"} == {(number, "stop", 3) for number in range(3)}


def test_a_worker_that_does_not_start_is_named(monkeypatch: pytest.MonkeyPatch, party: Path) -> None:
    cluster = Threads(Slow)
    hold = threading.Event()
    monkeypatch.setattr(Slow, "load", lambda self, _: Done() if self.task.worker < 2 else hold.wait(30) and Done())
    with pytest.raises(sb.ResourceError, match=r"worker 2 of 3 has not started in 0.2 s: has the Ray cluster room"):
        list(pool(monkeypatch, cluster, party, [np.ones((2, 2))] * 600, start_s=0.2))
    hold.set()
    assert {key for key in cluster.asked if key[1] == "stop"} <= {(number, "stop", 2) for number in range(2)}


REFUSED: dict[str, tuple[Any, dict[str, Any], type[sb.SymbolonError], str]] = {
    "NaN": ([np.ones((2, 2)), [[1, np.nan], [1, 1]]], {}, sb.InputError, r"batch 1, x: the element at \(0, 1\) is nan"),
    "a shape": ([np.ones((2, 3))], {}, sb.InputError, r"batch 0, x: .*\(2, 3\), and \(2, 2\) is declared"),
    "a name": ([{"y": np.ones((2, 2))}], {}, sb.InputError, "batch 0 brings y, and not x"),
    "a number": (5, {}, sb.InputError, "x is this party's: bring its batches"),
    "a generator": ((1 for _ in ()), {}, sb.UsageError, "batches are a sequence"),
    "no workers": ([], {"workers": 0}, sb.UsageError, "workers = 0"),
    "retries": ([], {"retries": -1}, sb.UsageError, "retries = -1"),
    "a deadline": ([], {"deadline": 5}, sb.UsageError, "deadline_s"),
    "an option": ([], {"devise": "cpu"}, sb.UsageError, "--devise"),
    "a party": ([], {"inputs": {"x": ray.Input(4, (2, 2))}}, sb.UsageError, "no party 4"),
    "a value": ([], {"inputs": {"x": ray.Input(0, (2, 2), value=1)}}, sb.UsageError, "x has a value"),
    "a recipient": ([], {"to": 7}, sb.UsageError, "there is no party 7"),
    "two of a name": ([], {"residents": {"x": ray.Input(0, (2, 2))}}, sb.UsageError, "an input and a resident"),
    "no resident": ([], {"residents": {"w": ray.Input(0, (2,))}}, sb.InputError, "w is this party's, and has no value"),
    "another's": ([], {"residents": {"w": ray.Input(1, (2,), value=1)}}, sb.InputError, "w is party 1's, not this"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, party: Path) -> None:
    batches, options, error, line = REFUSED[name]
    with pytest.raises(error, match=line):
        list(pool(monkeypatch, Threads(Slow), party, batches, **options))


def test_a_missing_ray_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(sb.UsageError, match="Ray is not installed: pip install ray"):
        ray.RayCluster({})


def test_no_representation_shows_a_value() -> None:
    shown = [ray.Input(0, (1,), 2.0, [1234.5]), Done([1234.5], {"x": 1234.5})]
    assert "1234" not in repr(shown)


# Organisations, each with a pool.

X = np.arange(96.0).reshape(8, 4, 3) % 7 / 2
W = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0]])


def organisations(
    folder: Path, protocol: str, monkeypatch: pytest.MonkeyPatch, dies: dict[int, tuple[int, str, int]], **options: Any
) -> list[Any]:
    """What each of the organisations gets or is told, whose worker dies once where `dies` says so."""
    parties, workers = (2 if protocol == "beaver" else 3), 2
    dealer = ["--dealer"] * (protocol == "beaver")
    nodes = folder / "nodes"
    subprocess.run([command(), "init", "--parties", str(parties), *dealer, str(nodes)], check=True, capture_output=True)
    files = sorted(nodes.glob("*/*.toml"))
    for file, port in zip(files, free_ports(len(files), workers), strict=True):
        file.write_text(re.sub(r'listen = ".*"', f'listen = "127.0.0.1:{port}"', file.read_text()))
    died: Counter[Any] = Counter()

    def organisation(own: int) -> Any:
        def fatal(*key: Any) -> bool:
            died[own, key] += key == dies.get(own)
            return key == dies.get(own) and died[own, key] <= options.get("deaths", 1)

        own_options = {name: value(own) for name, value in options.items() if callable(value)}
        try:
            results = ray.map(
                lambda x, w: {"scores": x @ w},
                X if own == 0 else len(X),
                **{
                    "config": nodes / f"party{own}" / "party.toml",
                    "directory": folder / "pool",
                    "workers": workers,
                    "inputs": {"x": ray.Input(0, (4, 3), 4.0)},
                    "residents": {"w": ray.Input(1, (3, 2), 4.0, W if own == 1 else None)},
                    "to": 0,
                    "protocol": protocol,
                    "device": "cpu",
                    "threads": 1,
                    "resources": {"cluster": Threads(dies=fatal)},
                    **own_options,
                },
            )
            return list(results), results.reports
        except sb.SymbolonError as error:
            return error

    monkeypatch.setattr(ray, "RayCluster", lambda resources: resources["cluster"])
    with ThreadPoolExecutor(parties) as pool:
        runs = pool.map(organisation, range(parties))
        if protocol != "beaver":
            return list(runs)
        deals = {"directory": folder / "pool", "workers": workers, "device": "cpu", "threads": 1}
        with ray.Dealers(nodes / "dealer" / "dealer.toml", **deals):
            return list(runs)


@pytest.mark.parametrize("protocol", ["beaver", "replicated"])
def test_a_worker_that_dies_is_replaced_and_its_batch_done_again(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = organisations(tmp_path, protocol, monkeypatch, {0: (1, "run", 1), 1: (0, "run", 2)})
    assert not [one for one in ended if isinstance(one, Exception)], ended
    for number, (results, reports) in enumerate(ended):
        assert [row["batches"] for row in reports] == [4, 4]
        assert all(row["attempts"] > 4 and row["confirmed"] for row in reports), reports
        if number == 0:
            np.testing.assert_allclose([one["scores"] for one in results], X @ W, atol=2e-3)
        else:
            assert results == [{"scores": None}] * len(X)
    assert [[row["replaced"] for row in reports] for _, reports in ended][:2] == [[0, 1], [1, 0]]


def test_a_party_that_gives_up_tells_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = organisations(tmp_path, "replicated", monkeypatch, {1: (1, "run", 1)}, deaths=99)
    assert all(isinstance(error, sb.PeerError) for error in ended), ended
    assert any("tried 3 times" in str(error) for error in ended), ended


def test_pools_of_other_sizes_do_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = organisations(tmp_path, "replicated", monkeypatch, {}, workers=lambda own: 1 if own == 2 else 2)
    assert all(isinstance(error, sb.SymbolonError) for error in ended), ended
    differing = [error for error in ended if isinstance(error, sb.DisagreementError)]
    assert [error.field for error in differing][:1] == ["workers"], ended


def test_a_dealer_that_cannot_go_on_says_why(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    subprocess.run([command(), "init", "--parties", "2", "--dealer", str(nodes)], check=True, capture_output=True)
    file = nodes / "dealer" / "dealer.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file.write_text(f'listen = "127.0.0.1:{taken.getsockname()[1]}"\nidentity = "."\n')
        line = "the dealer of worker 0 cannot go on: .*cannot listen on"
        with (
            pytest.raises(sb.ResourceError, match=line),
            ray.Dealers(file, directory=tmp_path / "pool", workers=1, device="cpu") as dealers,
        ):
            dealers.wait(60)
    file.write_text('identity = "."\n')
    with pytest.raises(sb.InputError, match="listen, the address of the first worker, is missing"):
        ray.Dealers(file, directory=tmp_path / "pool", workers=1)
