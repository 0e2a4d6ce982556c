"""A recorder for processors that is as strict as CUDA: it notes each piece of work, and does those again.

No Python of what was recorded runs again, every result goes where it went the first time, and what
depends on what is in tensors is refused, as a GPU refuses to be waited for while it is recorded.
"""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false, reportUntypedBaseClass=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from cachesaver.local.recorders import Watch, Work

__all__ = ["Piece", "Tape", "TapeRecorder"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One call of an operator, and the tensors that it gave."""

    call: Any
    args: tuple[Any, ...]
    named: dict[str, Any]
    results: tuple[Tensor, ...]

    def repeat(self) -> None:
        """Do it again, and put what is new where it was put before."""
        taken = {each.untyped_storage().data_ptr() for each in _tensors((self.args, self.named))}
        again = _tensors(self.call(*self.args, **self.named))
        for old, new in zip(self.results, again, strict=True):
            if old.untyped_storage().data_ptr() not in taken:  # neither a view nor changed in place
                old.copy_(new)


class _Listening(Watch):
    """Notes every operator, and does it."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[Piece] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        result = super().__torch_dispatch__(func, types, args, named)
        self.pieces.append(Piece(func, args, named, tuple(_tensors(result))))
        return result


class Tape:
    """A recording: see `cachesaver.local.recorders.Recording`."""

    def __init__(self, pieces: list[Piece], held: Sequence[Tensor], owner: TapeRecorder) -> None:
        self.nbytes = owner.nbytes
        self.replays = 0
        self._pieces = pieces
        self._held = held
        self._places = _places(held)
        self._owner = owner

    def replay(self) -> None:
        """Do all pieces again, if nothing was moved."""
        assert _places(self._held) == self._places, "a tensor that a graph reads was moved"
        if self._owner.where is not None:
            assert _places(self._owner.where()) == self._places, "other tensors took their place"
        if self._owner.before is not None:
            self._owner.before()
        for piece in self._pieces:
            piece.repeat()
        self.replays += 1


class TapeRecorder:
    """See `cachesaver.local.recorders.Recorder`.

    Attributes:
        warmed: How often something was warmed.
        tapes: All that was recorded.
        threads: Which recorded.
        nbytes: What a recording says that it takes.
        before: Called before each replay.
        where: Returns what *held* is to be, if it was made anew.
        failing: What the next recording raises.
    """

    def __init__(self) -> None:
        self.warmed = 0
        self.tapes: list[Tape] = []
        self.threads: set[int] = set()
        self.nbytes = 0
        self.before: Callable[[], None] | None = None
        self.where: Callable[[], Sequence[Tensor]] | None = None
        self.failing: Exception | None = None

    @property
    def replays(self) -> int:
        """Of all recordings."""
        return sum(tape.replays for tape in self.tapes)

    def warm(self, work: Work) -> None:
        """Do *work*."""
        work()
        self.warmed += 1

    def capture(self, work: Work, held: Sequence[Tensor]) -> Tape:
        """Note what *work* does; it is undone, for a GPU does nothing while it is recorded."""
        self.threads.add(threading.get_ident())
        if self.failing is not None:
            raise self.failing
        before = [each.clone() for each in held]
        with _Listening() as listening:
            work()
        for each, old in zip(held, before, strict=True):
            each.copy_(old)
        tape = Tape(listening.pieces, tuple(held), self)
        self.tapes.append(tape)
        return tape


def _places(tensors: Sequence[Tensor]) -> list[tuple[object, ...]]:
    return [(each.data_ptr(), each.shape, each.stride(), each.dtype) for each in tensors]


def _tensors(tree: object) -> list[Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, Tensor)]
