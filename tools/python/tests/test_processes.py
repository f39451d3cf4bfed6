"""Sessions between processes: on this machine, and of organisations that each run the script."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import symbolon as sb
from symbolon._session import command

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and ports are those of Unix")
X = np.arange(12.0).reshape(3, 4) / 4
W = np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0], [-3.0, 0.25]])


def children() -> dict[int, str]:
    """The processes that this one has started, and their command lines."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    rows = (line.split(None, 1) for line in listed.stdout.splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) == 2 and re.search(" (work|deal) ", row[1])}


@pytest.fixture(params=["beaver", "replicated"])
def world(request: pytest.FixtureRequest) -> Iterator[sb.Session]:
    with sb.local(request.param, device="cpu", threads=1) as session:
        yield session


def test_every_party_is_a_process_of_the_command(world: sb.Session) -> None:
    x, w = world.secret(X, owner=0, bound=4), world.secret(W, owner=1, bound=4)
    np.testing.assert_allclose((x @ w).reveal(to=1), X @ W, atol=1e-3)
    report = world.report.to_dict()
    assert [party["id"] for party in report["parties"]] == [str(party) for party in range(world.parties)]
    started = children()
    assert len(started) == 3, "two parties and a dealer, or three parties"
    assert all(str(command()) in line and "python" not in Path(line.split()[0]).name for line in started.values())
    world.close()
    assert not children()
    world.close()


@pytest.mark.parametrize("processes", [True, False])
def test_two_parties_need_no_dealer(processes: bool) -> None:
    with sb.local("beaver", processes=processes, device="cpu", threads=1, correlations="pair") as world:
        x, w = world.secret(X, owner=0, bound=4), world.secret(W, owner=1, bound=4)
        np.testing.assert_allclose(sb.relu(x @ w).reveal(to=1), np.maximum(X @ W, 0), atol=1e-3)
        assert len(children()) == (2 if processes else 0), "two parties and nobody else"
        assert "themselves" in world.report.to_dict()["trust"]["correlations_from"]
        assert "themselves" in str((x @ w).plan().to_dict()["trust"]["correlations_from"])


def test_sources_that_a_session_cannot_have_are_refused() -> None:
    for protocol, source in [("replicated", "pair"), ("beaver", "auto"), ("beaver", "nobody")]:
        with (
            pytest.raises(sb.UsageError, match="correlations"),
            sb.local(protocol, processes=False, device="cpu", correlations=source) as world,
        ):
            world.secret(X, owner=0, bound=4).sum().reveal()


def test_a_program_is_planned_once_and_its_residents_stay(world: sb.Session) -> None:
    calls = 0

    @sb.program
    def scores(x: sb.Tensor, w: sb.Tensor) -> dict[str, sb.Tensor]:
        nonlocal calls
        calls += 1
        return {"scores": x @ w, "largest": (x @ w).argmax(axis=1)}

    w = world.secret(W, owner=1, bound=4, resident=True)
    stages, sent = [], []
    for batch in range(3):
        x = world.secret(X + batch, owner=0, bound=8)
        shown = world.reveal(scores(x, w), to=[0])
        np.testing.assert_allclose(shown["scores"], (X + batch) @ W, atol=2e-3)
        np.testing.assert_array_equal(shown["largest"], ((X + batch) @ W).argmax(axis=1))
        party = world.report.to_dict()["parties"][1]
        stages.append({stage["stage"] for stage in party["stages"]})
        sent.append(party["bytes_sent"])
    assert calls == 3
    assert "planning" in stages[0]
    assert "planning" not in stages[1] | stages[2]
    if world.parties == 2:
        assert sent[1] < sent[0], "the weights' mask is opened once"
    other = world.secret(W * 0, owner=1, bound=4, resident=True)
    shown = world.reveal(scores(world.secret(X, owner=0, bound=8), other))
    assert not shown["scores"].any()
    world.release()
    shown = world.reveal(scores(world.secret(X, owner=0, bound=8), w))
    np.testing.assert_allclose(shown["scores"], X @ W, atol=2e-3)


def test_a_party_that_dies_is_named_and_the_next_run_starts_anew(world: sb.Session) -> None:
    x = world.secret(X, owner=0)
    x.sum().reveal()
    pid = next(pid for pid, line in children().items() if " work " in line)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(sb.PeerError, match="was ended by signal 9"):
        x.sum().reveal()
    np.testing.assert_allclose(x.sum().reveal(), X.sum(), atol=1e-3)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts as a person's terminal has them, also where these tests were started with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("processes", [True, False])
def test_an_interrupt_ends_a_wait(processes: bool, interruptible: None) -> None:
    # A link on which the run takes minutes.
    with sb.local(processes=processes, device="cpu", threads=1, link="1,2000") as world:
        x = world.secret(np.ones((300, 300)), owner=0)
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            (x @ x).reveal()
        assert time.monotonic() - began < 20
        assert not children()


def test_the_interpreter_is_free_while_parties_work() -> None:
    with sb.local(processes=False, device="cpu", threads=1, link="1000,200") as world:
        x = world.secret(X, owner=0)
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(lambda: (x * x).sum().reveal())
            steps = 0
            while not run.done():
                steps += 1
                y = x + steps
                time.sleep(0.001)
            assert steps > 10, "values are built meanwhile"
            np.testing.assert_allclose(run.result(), (X * X).sum(), rtol=1e-3)
            np.testing.assert_allclose(y.reveal(), X + steps, atol=1e-3)


def test_the_console_script_is_the_command() -> None:
    words = [sys.executable, "-c", "from symbolon._command import main; main()", "--version"]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert said.stdout == f"symbolon {sb.__version__}\n"


# Organisations.


def free_ports(count: int, run: int = 1) -> list[int]:
    """Ports that are free, each with those behind it: `run` in all."""
    found: list[socket.socket] = []
    firsts: list[int] = []
    while len(firsts) < count:
        first = socket.create_server(("127.0.0.1", 0))
        port = first.getsockname()[1]
        found.append(first)
        try:
            found.extend(socket.create_server(("127.0.0.1", port + place)) for place in range(1, run))
            firsts.append(port)
        except (OSError, OverflowError):
            continue
    for server in found:
        server.close()
    return firsts


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """Three parties that know each other, on ports that are free."""
    folder = tmp_path / "nodes"
    subprocess.run([command(), "init", "--parties", "3", str(folder)], check=True, capture_output=True)
    ports = dict(zip((str(port) for port in range(7000, 7003)), free_ports(3), strict=True))
    for file in folder.glob("*/party.toml"):
        free = re.sub(r":(\d+)\"", lambda at: f':{ports[at[1]]}"', file.read_text())
        file.write_text(free)
    return folder


def at_each(nodes: Path, script: Callable[[sb.Session, int], Any], **options: Any) -> list[Any]:
    """Runs a script at every party, and returns what each got or raised."""

    def party(number: int) -> Any:
        own = {name: value(number) if callable(value) else value for name, value in options.items()}
        try:
            config = nodes / f"party{number}" / "party.toml"
            with sb.connect(config, "replicated", device="cpu", threads=1, **own) as session:
                assert session.own == (number,)
                return script(session, number)
        except sb.SymbolonError as error:
            return error

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(party, range(3)))


def test_organisations_run_one_script(nodes: Path) -> None:
    def script(session: sb.Session, own: int) -> Any:
        x = session.secret(X if own == 0 else None, owner=0, shape=(3, 4), bound=4, name="x")
        w = session.secret(W if own == 2 else None, owner=2, shape=(4, 2), bound=4)
        if own == 1:
            _ = x + 1  # Looking at something more changes nothing.
        return session.reveal([x @ w + np.ones(2), w.sum()], to=[0, 1])

    for own, learnt in enumerate(at_each(nodes, script)):
        if own == 2:
            assert learnt == [None, None]
        else:
            np.testing.assert_allclose(learnt[0], X @ W + 1, atol=2e-3)
            np.testing.assert_allclose(learnt[1], W.sum(), atol=1e-3)


def test_two_organisations_need_no_dealer(tmp_path: Path) -> None:
    folder = tmp_path / "nodes"
    subprocess.run([command(), "init", "--parties", "2", str(folder)], check=True, capture_output=True)
    ports = dict(zip((str(port) for port in range(7000, 7002)), free_ports(2), strict=True))
    for file in folder.glob("*/party.toml"):
        lines = file.read_text().split("\n")
        text = "\n".join(line for line in lines if not line.startswith("dealer"))
        file.write_text(re.sub(r":(\d+)\"", lambda at: f':{ports[at[1]]}"', text))

    def party(number: int) -> Any:
        config = folder / f"party{number}" / "party.toml"
        with sb.connect(config, "beaver", device="cpu", threads=1, correlations="pair") as session:
            x = session.secret(X if number == 0 else None, owner=0, shape=X.shape, bound=4)
            w = session.secret(W if number == 1 else None, owner=1, shape=W.shape, bound=4)
            return (x @ w).reveal(to=0)

    with ThreadPoolExecutor(2) as pool:
        got = list(pool.map(party, range(2)))
    np.testing.assert_allclose(got[0], X @ W, atol=1e-3)
    assert got[1] is None


def test_scripts_that_differ_are_told_where(nodes: Path) -> None:
    def script(session: sb.Session, own: int) -> Any:
        bound = 5 if own == 1 else 4
        x = session.secret(X if own == 0 else None, owner=0, shape=(3, 4), bound=bound, name="ages")
        try:
            return x.sum().reveal()
        finally:
            assert session.closed

    errors = at_each(nodes, script)
    assert all(isinstance(error, sb.SymbolonError) for error in errors), errors
    differing = [error for error in errors if isinstance(error, sb.DisagreementError)]
    assert differing, errors
    assert all(error.field == "input ages" for error in differing)
    assert any("bound 5" in f"{error.here} {error.there}" for error in differing)


def test_public_arrays_that_differ_are_told(nodes: Path) -> None:
    def script(session: sb.Session, own: int) -> Any:
        x = session.secret(X if own == 0 else None, owner=0, shape=(3, 4), bound=4)
        return (x + np.array([1.0, 2.0, 3.0, 4.0 if own else -4.0])).reveal()

    errors = at_each(nodes, script)
    differing = [error for error in errors if isinstance(error, sb.DisagreementError)]
    assert differing, errors
    assert all(error.field.startswith("input public_") for error in differing)


def test_settings_that_differ_are_told_when_parties_meet(nodes: Path) -> None:
    errors = at_each(nodes, lambda *_: "met", fraction_bits=lambda own: 20 if own == 2 else 16)
    differing = [error for error in errors if isinstance(error, sb.DisagreementError)]
    assert differing, errors
    assert all(error.field == "fraction_bits" for error in differing)


def test_a_peer_that_is_missing_is_named(nodes: Path) -> None:
    with pytest.raises(sb.PeerError, match="party"):
        sb.connect(nodes / "party1" / "party.toml", "replicated", device="cpu", deadline=1)


def test_data_is_brought_by_its_owner_alone(nodes: Path) -> None:
    def script(session: sb.Session, own: int) -> Any:
        with pytest.raises(sb.InputError, match="say its shape"):
            session.secret(None, owner=(own + 1) % 3)
        with pytest.raises(sb.InputError, match="is elsewhere"):
            session.secret(X, owner=(own + 1) % 3)
        return "refused"

    assert at_each(nodes, script) == ["refused"] * 3
