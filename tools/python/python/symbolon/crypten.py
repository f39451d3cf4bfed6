"""CrypTen's arithmetic on symbolon: its shares of the operands go in, its shares of the result come out.

`install` has each of CrypTen's two processes open a session with the other, by the first operation that needs one. From
then on these run there: products of two secrets (`mul`, `square`, `matmul`, convolutions and transposed ones) with the
division by the scale, `div` by a public number, `relu` and comparisons. Everything else stays CrypTen's: sums are each
process's own work, and what CrypTen makes of all of these, such as `exp` or `max`, is unchanged. CrypTen divides two
parties' shares by themselves, which goes wrong for an element x with probability |x| / 2^64. Here it never does up to
2^59, where CrypTen's does once in 32 times; beyond, the quotient has no meaning.

Shares are integers modulo 2^64 in both systems. A share that comes out is uniform and drawn afresh: party 0 keeps a
mask, and party 1 learns the value less that. Both systems hold against parties that follow the protocol. A session's
dealer is trusted as CrypTen's first party is, and is a process of that party where `install` starts it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _language as sb
from ._errors import UsageError
from ._program import marked
from ._session import Session, command, connect
from ._tensor import Tensor, build

PROTOCOL = "symbolon"
"""What CrypTen's configuration `mpc.protocol` is where it computes here."""

MOST_AXES = 4

MOST = 2**59
"""The largest magnitude of an integer that is divided: 2^43 of numbers with 16 fraction bits."""

MOST_DIVISOR = 2**32

MOST_WAIT_S = 30
"""Seconds for the dealer to end."""


class Engine:
    """This process's session with the other one."""

    def __init__(self, config: str, dealer: str | None, options: dict[str, Any]) -> None:
        self.config = config
        self.dealer = dealer
        self.options = options
        self.runs = 0
        """Programs run so far."""
        self._session: Session | None = None
        self._dealing: subprocess.Popen[bytes] | None = None

    def session(self) -> Session:
        """The session, which is opened by the first call, in both processes."""
        if self._session is None:
            communicator = importlib.import_module("crypten.communicator").get()
            rank, size = communicator.get_rank(), communicator.get_world_size()
            if size != 2:
                raise UsageError(f"CrypTen has {size} parties: two compute on symbolon")
            if self.dealer is not None and rank == 0:
                words = [str(command()), "deal", "--config", self.dealer]
                self._dealing = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
            config = self.config.format(rank=rank)
            self._session = connect(config, "beaver", fraction_bits=0, **self.options)
            if self._session.own != (rank,):
                raise UsageError(f"{config} is of party {self._session.own[0]}, and this is CrypTen's party {rank}")
        return self._session

    def computed(self, step: Callable[..., Any], *shares: Any) -> Any:
        """This party's share of what `step` makes of the values that these are its shares of, tensors of PyTorch."""
        torch = importlib.import_module("torch")
        session = self.session()
        first = session.own == (0,)
        result = step(*(value(session, share, first) for share in shares))
        mask = drawn(result.shape) if first else None
        masked = result - session.secret(mask, owner=0, shape=result.shape)
        shown = marked(masked).reveal(to=1)
        self.runs += 1
        return torch.from_numpy(mask if mask is not None else np.asarray(shown).reshape(result.shape))

    def close(self) -> None:
        """Ends the session, in both processes."""
        session, self._session = self._session, None
        dealing, self._dealing = self._dealing, None
        try:
            if session is not None:
                session.close()
            if dealing is not None:
                # It ends by itself once the other party has ended, too.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    dealing.wait(MOST_WAIT_S)
        finally:
            if dealing is not None:
                dealing.terminate()
                dealing.wait()


def value(session: Session, share: Any, first: bool) -> Tensor:
    """The sum of both parties' shares."""
    if share.is_cuda:
        raise UsageError("CrypTen's tensors are on a CUDA device: bring them to the CPU, symbolon has its own devices")
    numbers = share.contiguous().numpy()
    parts: list[Any] = [
        session.secret(numbers if first == (owner == 0) else None, owner=owner, shape=numbers.shape) for owner in (0, 1)
    ]
    return parts[0] + parts[1]  # type: ignore[no-any-return]


def drawn(shape: Sequence[int]) -> NDArray[np.int64]:
    """Uniform elements of the ring, from the operating system."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(bytearray(os.urandom(8 * count)), dtype=np.int64).reshape(shape)


def quotient(x: Any, divisor: int) -> Any:
    """⌊x / divisor⌋ by a public integer that is not zero, of integers up to `MOST`.

    The engine divides by 2^t whatever is below 2^62, and by another d what is below 2^(30 + log d / 2). So of
    x = a·2^t + b first a = q·d + r is divided, and then r·2^t + b.
    """
    if divisor < 0:
        x, divisor = -x, -divisor
    if divisor == 1:
        return x
    x = assumed(x, -MOST, MOST)
    if divisor & (divisor - 1) == 0:
        return x // divisor
    part = 1 << int(30 - math.log2(divisor) / 2)
    high = x // part
    first = high // divisor
    rest = (high - first * divisor) * part + (x - high * part)
    return first * part + assumed(rest, 0, divisor * part - 1) // divisor


def assumed(x: Any, low: int, high: int) -> Any:
    return build(f"assume({{0}}, {low}, {high})", x)


def pair(number: Any) -> tuple[int, int]:
    """An option of a convolution for both axes."""
    numbers = list(number) if isinstance(number, (tuple, list)) else [number]
    if len(numbers) > 2 or not all(isinstance(one, int) for one in numbers):
        raise UsageError(f"an option of a convolution is an integer, or one for each axis, and not {number!r}")
    return int(numbers[0]), int(numbers[-1])


def spread(torch: Any, x: Any, steps: tuple[int, int]) -> Any:
    """The elements of the last two axes so far apart, and zeros between them: of a value as of its shares."""
    if steps == (1, 1):
        return x
    extents = [(extent - 1) * step + 1 for extent, step in zip(x.shape[2:], steps, strict=True)]
    wide = torch.zeros((*x.shape[:2], *extents), dtype=x.dtype)
    wide[:, :, :: steps[0], :: steps[1]] = x
    return wide


class Operations:
    """Products of two secrets, by CrypTen's names for them. `scale` is what the product is divided by."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._torch = importlib.import_module("torch")

    def product(self, op: str, x: Any, y: Any, scale: int, **options: Any) -> Any:
        """This party's share of a product."""
        if not x.numel() or not y.numel():
            return getattr(self._torch, op)(x, y, **options)
        return getattr(self, op)(x, y, scale, **options)

    def mul(self, x: Any, y: Any, scale: int) -> Any:
        shape = self._torch.broadcast_shapes(x.shape, y.shape)
        if len(shape) > MOST_AXES:
            x, y = (one.expand(shape).reshape(-1) for one in (x, y))
        return self.engine.computed(lambda x, y: quotient(x * y, scale), x, y).reshape(shape)

    def square(self, x: Any, scale: int) -> Any:
        if not x.numel():
            return x.clone()
        return self.engine.computed(lambda x: quotient(x * x, scale), x.reshape(-1)).reshape(x.shape)

    def matmul(self, x: Any, y: Any, scale: int) -> Any:
        left, right = x.dim() == 1, y.dim() == 1
        x, y = x[None] if left else x, y[:, None] if right else y
        batch = self._torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        if len(batch) > MOST_AXES - 2:
            x, y = (one.expand(*batch, *one.shape[-2:]).flatten(0, -3) for one in (x, y))
        z = self.engine.computed(lambda x, y: quotient(x @ y, scale), x, y)
        z = z.reshape(*batch, *z.shape[-2:])
        z = z.squeeze(-2) if left else z
        return z.squeeze(-1) if right else z

    def conv2d(
        self, x: Any, y: Any, scale: int, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        torch, (down, right), steps = self._torch, pair(padding), pair(stride)
        x = torch.nn.functional.pad(x, (right, right, down, down))
        y = spread(torch, y, pair(dilation))
        return self.engine.computed(lambda x, y: quotient(convolution(x, y, steps, groups), scale), x, y)

    def conv_transpose2d(
        self,
        x: Any,
        y: Any,
        scale: int,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        torch = self._torch
        # The convolution of the elements, `stride` apart, with the kernels in the opposite order.
        x, y = spread(torch, x, pair(stride)), spread(torch, y, pair(dilation))
        widths: list[int] = []
        for extent, less, more in zip(y.shape[2:], pair(padding), pair(output_padding), strict=True):
            widths = [extent - 1 - less, extent - 1 - less + more, *widths]
        y = torch.cat([part.transpose(0, 1) for part in y.flip(2, 3).chunk(groups)])
        x = torch.nn.functional.pad(x, widths)
        return self.engine.computed(lambda x, y: quotient(convolution(x, y, (1, 1), groups), scale), x, y)

    def conv1d(self, x: Any, y: Any, scale: int, **options: Any) -> Any:
        return self.conv2d(x[:, :, None], y[:, :, None], scale, **flat(options)).squeeze(2)

    def conv_transpose1d(self, x: Any, y: Any, scale: int, **options: Any) -> Any:
        return self.conv_transpose2d(x[:, :, None], y[:, :, None], scale, **flat(options)).squeeze(2)


def flat(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a convolution along one axis, for images of one row."""
    neutral = {"stride": 1, "dilation": 1, "padding": 0, "output_padding": 0}
    return {name: (neutral[name], pair(value)[0]) if name in neutral else value for name, value in options.items()}


def convolution(x: Any, y: Any, steps: tuple[int, int], groups: int) -> Any:
    """The convolution of images with kernels, each of so many groups of channels by itself."""
    out, depth = y.shape[0] // groups, y.shape[1]
    down, right = steps
    stride = down if down == right else 1
    parts: list[Any] = [
        sb.conv2d(x[:, at * depth : (at + 1) * depth], y[at * out : (at + 1) * out], stride=stride)
        for at in range(groups)
    ]
    z: Any = parts[0] if groups == 1 else np.concatenate(parts, axis=1)
    return z if down == right else z[:, :, ::down, ::right]


def crypten() -> Any:
    """CrypTen, also beside a PyTorch that has moved a module which CrypTen 0.4.1 imports and has no use for."""
    moved = "torch.onnx._internal.registration"
    try:
        importlib.import_module(moved)
    except ImportError:
        sys.modules[moved] = importlib.import_module("torch.onnx._internal.torchscript_exporter.registration")
    return importlib.import_module("crypten")


def trial(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Two parties and a dealer in a new folder, on free ports of this machine: `install(**trial(folder))`."""
    nodes = Path(folder)
    words = [str(command()), "init", "--parties", "2", "--dealer", str(nodes)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    taken: dict[str, socket.socket] = {}
    while untaken := {"7000", "7001", "7100"} - taken.keys():
        # Below those that systems give to outgoing connections.
        with contextlib.suppress(OSError):
            taken[min(untaken)] = socket.create_server(("127.0.0.1", secrets.choice(range(20_000, 32_000))))
    ports = {port: str(server.getsockname()[1]) for port, server in taken.items()}
    for file in nodes.glob("*/*.toml"):
        file.write_text(re.sub(r'(?<=:)\d+(?=")', lambda at: ports[at[0]], file.read_text()))
    for server in taken.values():
        server.close()
    return {"config": f"{nodes}/party{{rank}}/party.toml", "dealer": f"{nodes}/dealer/dealer.toml"}


def install(config: str, *, dealer: str | None = None, **options: Any) -> Engine:
    """Has CrypTen compute on symbolon, in this process; both processes call it before they use CrypTen.

    `config` is the file of this process's party, where `{rank}` stands for its number. With `dealer`, a dealer's file,
    party 0 starts the dealer for the session; otherwise it runs elsewhere, by `symbolon deal`. Options are those of
    `sb.connect`, but for those of numbers. CrypTen's configuration `mpc.protocol` says where it computes, "symbolon" or
    "beaver".

        symbolon.crypten.install("nodes/party{rank}/party.toml", dealer="nodes/dealer/dealer.toml")
        crypten.init()
    """
    if of_numbers := {"ring_bits", "fraction_bits", "truncation", "check"} & options.keys():
        raise UsageError(f"{min(of_numbers)}: CrypTen's shares are integers modulo 2^64, whose sums wrap")
    system = crypten()
    mpc = importlib.import_module("crypten.mpc.mpc").MPCTensor
    arithmetic = importlib.import_module("crypten.mpc.primitives.arithmetic")
    engine = Engine(config, dealer, options)
    if hasattr(arithmetic, PROTOCOL):
        raise UsageError("CrypTen computes on symbolon already in this process")
    operations = Operations(engine)
    setattr(arithmetic, PROTOCOL, operations)
    adapt_shares(arithmetic.ArithmeticSharedTensor, operations, system.cfg)
    adapt_tensors(mpc, arithmetic.ArithmeticSharedTensor, engine, system.cfg)
    before = system.uninit

    @functools.wraps(before)
    def uninit() -> None:
        try:
            engine.close()
        finally:
            before()

    system.uninit = uninit
    system.cfg["mpc.protocol"] = PROTOCOL
    return engine


def adapt_shares(shares: Any, operations: Operations, cfg: Any) -> None:
    """Products and quotients of CrypTen's arithmetic shares."""
    arithmetic_function, div_, square_ = shares._arithmetic_function, shares.div_, shares.square_

    def product(self: Any, y: Any, op: str, inplace: bool = False, **options: Any) -> Any:
        if cfg.mpc.protocol != PROTOCOL or not isinstance(y, shares) or op in ("add", "sub"):
            return arithmetic_function(self, y, op, inplace, **options)
        if cfg.mpc.active_security:
            raise UsageError("active_security: symbolon's beaver holds against parties that follow the protocol")
        scales = self.encoder.scale, y.encoder.scale
        result = self if inplace else self.clone()
        result.share.set_(operations.product(op, self.share, y.share, scales[0] if min(scales) > 1 else 1, **options))
        result.encoder = self.encoder if scales[0] > 1 else y.encoder
        return result

    def divided(self: Any, y: Any) -> Any:
        number = integer(y)
        if cfg.mpc.protocol != PROTOCOL or not number or not self.share.numel():
            return div_(self, y)
        share = operations.engine.computed(lambda x: quotient(x, number), self.share.reshape(-1))
        self.share.copy_(share.reshape(self.share.shape))
        return self

    def squared(self: Any) -> Any:
        if cfg.mpc.protocol != PROTOCOL:
            return square_(self)
        self.share = operations.square(self.share, self.encoder.scale)
        return self

    shares._arithmetic_function, shares.div_, shares.square_ = product, divided, squared


def integer(y: Any) -> int | None:
    """A public divisor as an integer, where it is one for all elements and below `MOST_DIVISOR`."""
    if hasattr(y, "numel"):
        first = y.reshape(-1)[0].item() if y.numel() else 0.5
        y = first if y.numel() and bool((y == first).all()) else 0.5
    return int(y) if isinstance(y, (int, float)) and float(y).is_integer() and abs(y) < MOST_DIVISOR else None


def adapt_tensors(mpc: Any, shares: Any, engine: Engine, cfg: Any) -> None:
    """Comparisons of CrypTen's secret tensors with zero, on which its others stand, and the ReLU."""

    def adapted(name: str, step: Callable[[Any], Any], is_truth: bool) -> None:
        before = getattr(mpc, name)

        @functools.wraps(before)
        def computed(self: Any) -> Any:
            is_ours = cfg.mpc.protocol == PROTOCOL and isinstance(self._tensor, shares) and self.share.numel()
            if not is_ours:
                return before(self)
            share = engine.computed(step, self.share.reshape(-1)).reshape(self.share.shape)
            result = self.shallow_copy()
            result._tensor = shares.from_shares(share, precision=0 if self.encoder.scale == 1 else None)
            result.encoder._scale = 1 if is_truth else self.encoder.scale
            return result

        setattr(mpc, name, computed)

    adapted("_ltz", lambda x: x < 0, True)
    adapted("_eqz_2PC", lambda x: x == 0, True)
    adapted("relu", sb.relu, False)
