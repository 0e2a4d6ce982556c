"""The door that all hooks hold: it leads each call to whoever answers where the call is made.

That is the innermost block that the calling context stands in (`blocks`), or a plain `install()` that
was made inside it. A context that stands in no block is answered by the last plain `install()`, if it
was started after one; of what is known nowhere, by whoever was opened last, or, where that is a block, by
one that replays. While it makes no difference
who asks, as nearly always, nobody is asked where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from cachesaver import blocks
from cachesaver.blocks import Block, Stand
from cachesaver.contexts import is_outside_loops
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.mounts import MOUNTS, Mount, mount_of
from cachesaver.ports import AsyncSend, Gate, Send

if TYPE_CHECKING:
    from cachesaver.session import Session

__all__ = ["Door", "Opened"]

G = TypeVar("G", bound=Gate)
G_co = TypeVar("G_co", bound=Gate, covariant=True)


class Opened(NamedTuple, Generic[G_co]):
    """A gate, and the block that it is open in."""

    block: Block
    gate: G_co


class _Alone(NamedTuple):
    """Who answers, and the session that does so where no guest is asked before it."""

    gate: Gate | None
    session: Session | None


class _Wants(Protocol):
    def __call__(self, method: str, host: str, path: str) -> bool: ...


_Ignores = Callable[[str], bool]


def _wants_nothing(method: str, host: str, path: str) -> bool:  # noqa: ARG001  # as a gate's
    return False


def _ignores_nothing(path: str) -> bool:  # noqa: ARG001  # as a gate's
    return False


class Door:
    """Leads to a guest, else to a session, or nowhere. Any thread may call; who opens holds a lock.

    Attributes:
        sessions: Those that are open, in the order of their opening; replaced, never changed.
        guests: Likewise.
    """

    def __init__(self) -> None:
        self.sessions: tuple[Opened[Session], ...] = ()
        self.guests: tuple[Opened[Gate], ...] = ()
        self._alone: _Alone | None = _Alone(None, None)
        """Who answers everybody; None while it depends on who asks."""
        self._found: dict[Stand | None, Gate | None] = {}
        """Who answers whom, as long as nobody comes or goes."""
        self._asked: _Wants = _wants_nothing
        self.wants: _Wants = _wants_nothing
        """The last gate's own, while that answers everybody: every call of the process comes past here."""
        self.ignores: _Ignores = _ignores_nothing
        """What all gates ignore by, while it is one; none, while nobody is there to ignore anything."""

    @property
    def is_divided(self) -> bool:
        """Whether it depends on who asks which of them answers."""
        return self._alone is None

    @property
    def is_open(self) -> bool:
        """Whether anybody is to be asked, so that clients have to be hooked."""
        return bool(self.guests or self.sessions or MOUNTS)

    # --- opening and closing

    def open_session(self, session: Session, *, is_plain: bool) -> Block:
        """Let *session* answer; *is_plain*: wherever this context stands, else where it is entered."""
        block = blocks.made(is_plain=is_plain)
        self.sessions = (*self.sessions, Opened(block, session))
        if is_plain:
            blocks.enter(block, outside_loops=is_outside_loops())
        self.turn()
        return block

    def open_guest(self, gate: Gate) -> Block:
        """Let *gate* answer before any session, where it is entered."""
        block = blocks.made(is_plain=False)
        self.guests = (*self.guests, Opened(block, gate))
        self.turn()
        return block

    def enter(self, block: Block) -> None:
        """Let this context stand in *block*, which is no plain one from now on."""
        block.close_around()
        blocks.enter(block, outside_loops=is_outside_loops())
        self.turn()

    def close(self, block: Block) -> None:
        """Let what is open in *block* answer no more."""
        blocks.leave(block)
        self.sessions = tuple(each for each in self.sessions if each.block is not block)
        self.guests = tuple(each for each in self.guests if each.block is not block)
        self.turn()

    def turn(self) -> None:
        """Lead to whoever is there now."""
        last = self._last()
        # Not cleared: who has looked before, and is slow, must not write into what holds from now on.
        self._found = {}
        # At once: who asks meanwhile must not be led to one who has come but for himself.
        session = self.sessions[-1].gate if self.sessions else None
        self._alone = None if self._divides() else _Alone(last, session)
        if self.is_divided:
            self._asked = self._wants_here
        else:
            self._asked = last.wants if last else _wants_nothing
        self.wants = self._wants_mounted if MOUNTS else self._asked
        self.ignores = self._ignored_by_all()

    def _ignored_by_all(self) -> _Ignores:
        opened: Sequence[Opened[Gate]] = (*self.sessions, *self.guests)
        ways = {each.gate.ignores for each in opened}
        return _ignores_nothing if MOUNTS or len(ways) != 1 else ways.pop()

    def _divides(self) -> bool:
        opened: Sequence[Opened[Gate]] = (*self.sessions, *self.guests)
        return any(not _is_covered(each.block, opened[-1].block) for each in opened)

    # --- who answers

    def _last(self) -> Gate | None:
        gates: Sequence[Opened[Gate]] = self.guests or self.sessions
        return gates[-1].gate if gates else None

    def _here(self) -> Gate | None:
        """Return who answers the context that runs now."""
        if (alone := self._alone) is not None:
            return alone.gate
        found, stand = self._found, blocks.here()
        if stand not in found:
            found[stand] = self._unplaced() if stand is None else self._answers(stand)
        return found[stand]

    def _unplaced(self) -> Gate | None:
        """Return who answers what is in no block that is known: in doubt one that lets nothing out."""
        return self._last() if self.guests else self._unplaced_session()

    def _unplaced_session(self) -> Session | None:
        sessions = self.sessions
        if not sessions or sessions[-1].block.is_plain:
            return sessions[-1].gate if sessions else None
        replays = [each.gate for each in sessions if each.gate.replays]
        return replays[-1] if replays else sessions[-1].gate

    def _answers(self, stand: Stand) -> Gate | None:
        guests = self.guests
        for each in stand if guests else ():
            if (guest := _of(guests, each.block)) is not None:
                return guest
        return self._inner(stand) or self._unplaced()

    def _inner(self, stand: Stand) -> Session | None:
        """Return the session that answers who stands in *stand*; None where no session stands there."""
        sessions = self.sessions
        plain = [each for each in reversed(sessions) if each.block.is_plain]
        is_known = False
        for block in (each.block for each in stand):
            own = _of(sessions, block)
            if own is not None and not block.is_plain:
                return next((each.gate for each in plain if each.block.is_made_in(block)), own)
            is_known = is_known or own is not None
        return plain[0].gate if is_known and plain else None

    def session(self) -> Session | None:
        """Return the session that answers the context that runs now, guests apart."""
        if (alone := self._alone) is not None:
            return alone.session
        stand = blocks.here()
        return (None if stand is None else self._inner(stand)) or self._unplaced_session()

    def is_meant(self, session: Session) -> bool:
        """Tell whether the context that runs now is *session*'s, or may be, for all that is known."""
        stand = blocks.here()
        if stand is not None and (inner := self._inner(stand)) is not None:
            return inner is session
        sessions = self.sessions
        # What stands in no block is certainly a plain session's, but not a block's.
        return not (sessions and sessions[-1].block.is_plain) or sessions[-1].gate is session

    def to_undo(self) -> Session | None:
        """Return what `uninstall` undoes here: before any block of others, the last plain one."""
        stand = blocks.here()
        if stand is not None and (inner := self._inner(stand)) is not None:
            return inner
        sessions = self.sessions
        plain = [each for each in sessions if each.block.is_plain] or sessions
        return plain[-1].gate if plain else None

    # --- the gate (cachesaver.ports.Gate)

    def _wants_here(self, method: str, host: str, path: str) -> bool:
        gate = self._here()
        return gate is not None and gate.wants(method, host, path)

    def _wants_mounted(self, method: str, host: str, path: str) -> bool:
        return host in MOUNTS or self._asked(method, host, path)

    def _asks_for(self, request: Request) -> bool:
        """Tell whether the gate wants *request*, which is here because its host is mounted."""
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return self._asked(request.method, parts.hostname or "", target)

    @property
    def through_mocks(self) -> bool:
        """See `Gate.through_mocks`."""
        gate = self._here()
        return gate is not None and gate.through_mocks

    @property
    def heads(self) -> bool:
        """See `Gate.heads`."""
        gate = self._here()
        return gate is not None and gate.heads

    def passed(self, summary: str, reason: str) -> None:
        """See `Gate.passed`."""
        if (gate := self._here()) is not None:
            gate.passed(summary, reason)

    def answer(self, request: Request, send: Send) -> Reply:
        """See `Gate.answer`."""
        if (mounted := mount_of(request)) is not None:
            send = mounted.send
            if not self._asks_for(request):
                return send(_theirs(request, mounted))
        gate = self._here()
        return send(request) if gate is None else gate.answer(request, send)

    async def aanswer(self, request: Request, send: AsyncSend) -> AsyncReply:
        """See `Gate.aanswer`."""
        if (mounted := mount_of(request)) is not None:
            send = mounted.asend
            if not self._asks_for(request):
                return await send(_theirs(request, mounted))
        gate = self._here()
        return await (send(request) if gate is None else gate.aanswer(request, send))


def _is_covered(block: Block, last: Block) -> bool:
    """Tell whether who stands in *block* is answered by the *last*, whatever else it stands in."""
    if not last.is_plain:
        return block is last
    return block.is_plain or last.is_made_in(block)


def _theirs(request: Request, mounted: Mount) -> Request:
    from cachesaver.numbering import without_ours

    return without_ours(request, numbers=mounted.numbers)


def _of(opened: Sequence[Opened[G]], block: Block) -> G | None:
    return next((each.gate for each in opened if each.block is block), None)
