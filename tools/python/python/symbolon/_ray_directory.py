"""Where the workers of a pool are: the directory of their addresses, and the party files that are made of it.

The directory has a folder for each role, `party0`, `party1`, `dealer`, which that organisation alone writes, and in it
a file for each of its workers that listens: `worker3.toml`, with the one line `address = "host:port"`. What another
organisation wrote there is read as an address and as nothing else. Whoever answers at it has to have the identity that
is pinned for the role, as in every session: a wrong address leads to nobody.
"""

from __future__ import annotations

import importlib
import ipaddress
import json
import os
import re
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ._errors import InputError, PeerError, ResourceError, SymbolonError, UsageError
from ._session import command, flags

LONGEST_ENTRY = 1024
"""Most bytes of a file of the directory: an address, and what somebody notes beside it."""

MOST_WORKERS = 1024
"""Most workers of an organisation: each has a port of its own."""

DEALER = "dealer"
"""The role of who deals."""

MOST_FAILURES = 30
"""How often in a row a dealer may fail within a second, before that is taken for a lasting fault."""

SLICE_S = 6
"""Seconds of one attempt to meet the others, after which their addresses are read anew."""


def parsed(text: str, what: str) -> dict[str, Any]:
    """The table of a TOML file; errors name the file and show nothing of it."""
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        raise UsageError("symbolon.ray needs Python 3.11 or later") from None
    try:
        return dict(toml.loads(text))
    except ValueError:
        raise InputError(f"{what}: that is no TOML") from None


def parts(address: object) -> tuple[str, int] | None:
    """The host and the port of an address, or None where it is none.

    >>> parts("node-a.example:7000"), parts("[::1]:7000"), parts("node:0"), parts('x" \\n')
    (('node-a.example', 7000), ('::1', 7000), None, None)
    """
    if not isinstance(address, str) or len(address) > 300:
        return None
    found = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", address)
    if found is None or not 0 < int(found[2]) < 65536:
        return None
    host = found[1].strip("[]")
    if found[1].startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return None
    return host, int(found[2])


def joined(host: str, port: int) -> str:
    """An address of its host and port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def party_role(party: int) -> str:
    """A party as folders are named."""
    return f"party{party}"


class Directory:
    """The addresses of all workers."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def entry(self, role: str, worker: int) -> Path:
        """The file of a worker."""
        return self.path / role / f"worker{worker}.toml"

    def write(self, role: str, worker: int, address: str) -> None:
        """Says where a worker of this organisation listens. Who reads meanwhile reads all of it, or what was there."""
        place = self.entry(role, worker)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".new")
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(f'address = "{address}"\n')
                os.chmod(name, 0o644)
            os.replace(name, place)
        except OSError as error:
            raise ResourceError(f"{place} cannot be written: {error.strerror}") from None

    def read(self, role: str, worker: int) -> str | None:
        """Where a worker listens; None where its organisation has not said so yet."""
        place = self.entry(role, worker)
        # A link that another organisation made would lead to files of this one, and a pipe would never end.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            handle = os.open(place, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PeerError(f"{place} cannot be read: {error.strerror}") from None
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise PeerError(f"{place} is no file")
            data = file.read(LONGEST_ENTRY + 1)
        try:
            table = parsed(data.decode("ascii"), str(place)) if len(data) <= LONGEST_ENTRY else {}
        except (UnicodeDecodeError, InputError):
            table = {}
        address = table.get("address")
        if list(table) != ["address"] or parts(address) is None:
            raise PeerError(f'{place}: {role} wrote no address there, such as address = "node-a.example:7000"')
        return str(address)


@dataclass(frozen=True)
class Node:
    """A node's own file, as `symbolon init` makes it, of which each worker gets one of its own."""

    path: Path
    party: int | None
    listen: tuple[str, int] | None
    kept: Mapping[str, Any]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Node:
        """Reads the file of a party, or of a dealer."""
        place = Path(path)
        try:
            text = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise InputError(f"{place}: {reason}; `symbolon init` makes it") from None
        table = parsed(text, str(place))
        listen, party = table.get("listen"), table.get("party")
        if listen is not None and parts(listen) is None:
            raise InputError(f"{place}: listen is no address, such as 0.0.0.0:7000")
        if party is not None and (not isinstance(party, int) or isinstance(party, bool) or party < 0):
            raise InputError(f"{place}: party is no number")
        folder = Path(os.path.abspath(place)).parent
        kept: dict[str, Any] = {name: table[name] for name in ("streams", "correlations") if name in table}
        for name in ("identity", "marks"):
            if isinstance(table.get(name), str):
                kept[name] = str(folder / table[name])
        return cls(place, party, parts(listen), kept)

    def port(self, worker: int) -> int:
        """The port of a worker: the node's own for the first, and the next ones for the others."""
        if self.listen is None:
            raise InputError(f"{self.path}: listen, the address of the first worker, is missing")
        port = self.listen[1] + worker
        if port > 65535:
            raise InputError(f"{self.path}: worker {worker} would listen on port {port}")
        return port

    def address(self, worker: int, host: Callable[[], str]) -> str:
        """The address at which the others find a worker; `host` names its machine, where the node's file does not."""
        port = self.port(worker)
        own = self.listen[0] if self.listen is not None else ""
        anywhere = own in ("0.0.0.0", "::")  # noqa: S104
        return joined(host() if anywhere else own, port)

    def file(self, worker: int, peers: Mapping[int, str | None], dealer: str | None) -> str:
        """The text of a worker's own file."""
        table = {"party": self.party, **self.kept, "dealer": dealer}
        if self.listen is not None:
            table["listen"] = joined(self.listen[0], self.port(worker))
        lines = [f"{name} = {quoted(value)}" for name, value in table.items() if value is not None]
        if self.party is not None:
            places = ", ".join(f"{party} = {quoted(address)}" for party, address in sorted(peers.items()))
            lines.append(f"peers = {{ {places} }}")
        return "\n".join(lines) + "\n"


def quoted(value: Any) -> str:
    """A text, a number or a list of them as TOML has it."""
    return json.dumps(value, ensure_ascii=False)


class Dealers:
    """The dealer of a pool: a `symbolon deal` for each worker, which is started anew whenever a session has ended.

    It is the third organisation, and needs no Ray. `config` is its file (`symbolon init --dealer`); worker i's dealer
    listens on the port that the file names plus i. `host` is the name by which parties find this machine,
    where the file's `listen` is no name. It deals until its `with` block ends:

        with sb.ray.Dealers("dealer/dealer.toml", directory="/shared/pool", workers=4) as dealers:
            dealers.wait()
    """

    def __init__(
        self,
        config: str | os.PathLike[str],
        *,
        directory: str | os.PathLike[str],
        workers: int,
        host: str | None = None,
        **options: object,
    ) -> None:
        check_workers(workers)
        node = Node.read(config)
        self._stop = threading.Event()
        self._failure: SymbolonError | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="symbolon-")
        words = flags({"deadline": SLICE_S, **options})
        self._threads = []
        for worker in range(workers):
            place = Path(self._folder.name) / f"dealer{worker}.toml"
            place.write_text(node.file(worker, {}, None), encoding="utf-8")
            Directory(directory).write(DEALER, worker, node.address(worker, lambda: host or socket.getfqdn()))
            argv = [str(command()), "deal", "--config", str(place), *words]
            self._threads.append(threading.Thread(target=self._serve, args=(worker, argv), daemon=True))
        for thread in self._threads:
            thread.start()

    def wait(self, timeout_s: float | None = None) -> None:
        """Waits until it is stopped, or cannot go on; that is raised."""
        self._stop.wait(timeout_s)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends all dealers; the parties that still use them are told."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._folder.cleanup()

    def __enter__(self) -> Dealers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self._failure is not None:
            raise self._failure

    def _serve(self, worker: int, argv: list[str]) -> None:
        """Deals to one session after the other. That one fails is the parties' affair; a wrong file, a lack of
        resources and a port that is taken end it."""
        failures = 0
        while not self._stop.is_set():
            since = time.monotonic()
            status, line = self._deal(argv)
            failures = failures + 1 if status and time.monotonic() - since < 1 else 0
            if (status in (2, 4) or failures == MOST_FAILURES) and not self._stop.is_set():
                self._failure = ResourceError(f"the dealer of worker {worker} cannot go on: {line}")
                self._stop.set()
            self._stop.wait(0.05)

    def _deal(self, argv: list[str]) -> tuple[int, str]:
        """Deals to one session; returns the command's status and the last line that it has said."""
        with tempfile.TemporaryFile() as said:
            dealing = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
            while dealing.poll() is None:
                if self._stop.wait(0.05):
                    dealing.terminate()
                    try:
                        dealing.wait(5)
                    except subprocess.TimeoutExpired:
                        dealing.kill()
                        dealing.wait()
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines() or ["it says nothing"]
            return dealing.returncode, lines[-1]


def check_workers(workers: object) -> None:
    """Refuses a number of workers that is none."""
    if not isinstance(workers, int) or isinstance(workers, bool) or not 0 < workers <= MOST_WORKERS:
        raise UsageError(f"workers = {workers!r}: an organisation has from 1 to {MOST_WORKERS}")
