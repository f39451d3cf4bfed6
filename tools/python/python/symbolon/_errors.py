"""What goes wrong, as exceptions: one small hierarchy, each with a line that says what to do."""

from __future__ import annotations


class SymbolonError(Exception):
    """Anything that this package refuses or that fails in a session.

    ``status`` is the exit status that the ``symbolon`` command has for the same failure, where there is one.
    """

    status: int | None = None


class UsageError(SymbolonError, ValueError):
    """An option, a name or a party that is none."""


class InputError(SymbolonError, ValueError):
    """Data that cannot be a secret. ``index`` is the place of the first such number, counted row by row."""

    index: int | None = None


class ProgramError(SymbolonError, ValueError):
    """A step that does not fit, such as shapes that do not broadcast: ``left`` and ``right`` are both of them."""

    left: tuple[int, ...] | None = None
    right: tuple[int, ...] | None = None


class SecretError(SymbolonError, TypeError):
    """Something was asked of a secret that only what is revealed can answer."""


class OtherSessionError(SymbolonError, ValueError):
    """A value is used in a session that it does not belong to."""


class ClosedError(SymbolonError):
    """The session has ended."""


class CheckError(SymbolonError):
    """A result that is not what it must be: a check has failed, or parties have learnt different numbers."""


class PeerError(SymbolonError):
    """A party could not be reached, or failed."""


class StoppedError(PeerError):
    """Another party of a pool of workers has said that it stops."""


class DisagreementError(PeerError):
    """The parties' scripts or settings differ.

    ``field`` names the first difference, ``here`` and ``there`` are what both have, ``party`` is the other one.
    """

    field: str | None = None
    here: str | None = None
    there: str | None = None
    party: int | str | None = None


class ResourceError(SymbolonError):
    """There is too little memory, or no such device."""
