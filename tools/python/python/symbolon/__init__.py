"""Arithmetic on secret shares, for those who write NumPy.

>>> import numpy as np, symbolon as sb
>>> with sb.local("beaver", processes=False) as world:
...     x = world.secret([[1.0, 2.0], [3.0, -4.0]], owner=0, bound=10)
...     w = world.secret([[0.5, -1.0], [1.0, 2.0]], owner=1, bound=10)
...     labels = sb.argmax(sb.relu(x @ w), axis=1)
...     labels.reveal(to=0)
array([1, 0])

Every function of the job language is here by its name (`sb.relu`, `sb.softmax`, `sb.conv2d`), and where NumPy has a
function of that meaning, that takes secrets too (`np.maximum`, `np.concatenate`, `np.corrcoef`).
"""

from . import crypten, jax, onnx, ray, torch
from ._errors import (
    CheckError,
    ClosedError,
    DisagreementError,
    InputError,
    OtherSessionError,
    PeerError,
    ProgramError,
    ResourceError,
    SecretError,
    StoppedError,
    SymbolonError,
    UsageError,
)
from ._language import *  # noqa: F403
from ._language import TABLE
from ._native import __version__
from ._program import program
from ._session import Plan, Report, Session, connect, local
from ._tensor import Tensor

__all__ = [
    "CheckError",
    "ClosedError",
    "DisagreementError",
    "InputError",
    "OtherSessionError",
    "PeerError",
    "Plan",
    "ProgramError",
    "Report",
    "ResourceError",
    "SecretError",
    "Session",
    "StoppedError",
    "SymbolonError",
    "Tensor",
    "UsageError",
    "__version__",
    "connect",
    "crypten",
    "jax",
    "local",
    "onnx",
    "program",
    "ray",
    "torch",
    *sorted(TABLE),
]
