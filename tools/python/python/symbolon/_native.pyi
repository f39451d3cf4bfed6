"""The native part: see `src/lib.rs`."""

from typing import Any, TypedDict

from numpy.typing import NDArray

__version__: str

class Opening(TypedDict):
    place: str
    path: str | None
    protocol: str
    ring_bits: int
    fraction_bits: int
    truncation: str
    check: bool
    flags: list[str]

class Declared(TypedDict):
    shape: list[int]
    owner: int
    bound: float | None
    kind: str | None
    resident: bool
    name: str | None
    digest: str | None

class Wanted(TypedDict):
    batch: int
    axes: dict[str, int]
    shapes: dict[str, list[int]]
    fixed: dict[str, float]
    outputs: list[str]
    ring_bits: int
    fraction_bits: int

class Imported(TypedDict):
    inputs: list[tuple[str, list[int]]]
    parameters: list[tuple[str, list[int], NDArray[Any]]]
    steps: list[str]
    outputs: list[str]
    notes: list[str]

def import_onnx(path: str, wanted: Wanted) -> Imported: ...
def functions() -> list[tuple[str, list[str], str]]: ...

class Node:
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def is_whole(self) -> bool: ...
    @property
    def is_signed(self) -> bool: ...
    @property
    def label(self) -> str: ...
    @property
    def owner(self) -> int | None: ...
    @property
    def resident(self) -> bool: ...

class World:
    def __new__(cls, opening: Opening) -> World: ...
    @property
    def parties(self) -> int: ...
    @property
    def own(self) -> bytes | list[int]: ...
    @property
    def fraction_bits(self) -> int: ...
    @property
    def ring_bits(self) -> int: ...
    @property
    def limit(self) -> float: ...
    @property
    def closed(self) -> bool: ...
    def secret(self, array: NDArray[Any] | None, declared: Declared) -> Node: ...
    def apply(self, template: str, operands: list[Node]) -> Node: ...
    def job(self, outputs: list[tuple[Node, list[int]]]) -> str: ...
    def plan(self, outputs: list[tuple[Node, list[int]]], keep: bool) -> tuple[str, str]: ...
    def reveal(self, outputs: list[tuple[Node, list[int]]], keep: bool) -> tuple[list[NDArray[Any] | None], Report]: ...
    def release(self) -> None: ...
    def start(self) -> None: ...
    def close(self, in_order: bool) -> None: ...

class Report:
    def json(self) -> str: ...
    def text(self) -> str: ...
    def html(self) -> str: ...
