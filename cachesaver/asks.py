"""What is asked and what became of it: the values that buying hands on, to the caller and to the books."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cachesaver.exchange import AsyncReply, Reply, Request, Response
from cachesaver.identity import Question
from cachesaver.limits import Limits
from cachesaver.lineage import Drawn
from cachesaver.numbering import Numbering, without_ours
from cachesaver.ports import KeepsErrors, Policy, Run
from cachesaver.values import value

__all__ = ["Ask", "Purchase", "Source", "Through"]

_NO_USAGE: Mapping[str, object] = MappingProxyType({})


class Source(enum.Enum):
    """Where a sample came from; the value is what the ledger and `Cache-Status` say."""

    HIT = "hit"
    FETCHED = "fetched"
    COLLAPSED = "collapsed"
    """Waited for another's flight of the same sample."""
    BYPASSED = "bypassed"
    """Passed on live and stored nowhere."""
    ERROR = "error"
    """The provider's error, passed on and stored nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What one call came to.

    Attributes:
        model: As the provider named it; may be empty.
        usage: The usage block of the whole answer, as the provider sent it: what is billed.
        samples: How many samples it gave.
        known: Whether its end was seen; else it may have cost something that nobody told.
    """

    model: str = ""
    usage: Mapping[str, object] = field(default_factory=lambda: _NO_USAGE)
    samples: int = 0
    known: bool = True


def _unsettled(reply: Reply | AsyncReply, purchase: Purchase) -> None:
    """Nobody keeps books."""


@value(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request on its way through.

    Attributes:
        question: What it asks.
        upstream: What goes to the provider, less what is ours.
        run: In which it asks.
        drawn: One draw for each sample it asks for.
        policy: What may be done about a sample that is not stored.
        now: Unix time in seconds at which it came in.
        nearest: For a replay miss: the stored question most like a given one, or None.
        limits: How many samples one call may ask for.
        numbering: Which servers are told which samples they are asked for.
        inputs: Of a deterministic question, one question for each of its inputs.
        together: Whether what is missing may be bought together with what others miss.
        glance: Which draws need not wait for the others then: STORED or RECALL.
        age: The lower, the older is the task that asks.
        settle: Told once of every reply what it came to.
        advice: For a replay miss: what to do, a few lines; empty: what is done with any store.
        notes: Who keeps errors of the provider; None: nobody.
        sealed: Whether nothing may leave but what is bought for the store.
    """

    question: Question
    upstream: Request
    run: Run
    drawn: Drawn
    policy: Policy
    now: float
    nearest: Callable[[bytes], bytes | None] = field(repr=False)
    limits: Limits = field(default_factory=Limits, repr=False)
    numbering: Numbering = field(default_factory=Numbering, repr=False)
    inputs: tuple[Question, ...] = ()
    together: bool = False
    glance: Policy = Policy.STORED
    age: int = 0
    settle: Callable[[Reply | AsyncReply, Purchase], None] = field(default=_unsettled, repr=False)
    advice: Callable[[], str] = field(default=str, repr=False)
    notes: KeepsErrors | None = field(default=None, repr=False)
    sealed: bool = False

    @property
    def live(self) -> Request:
        """The request as its client made it, for what is stored nowhere: its number is its own."""
        return without_ours(self.question.request, numbers=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """A live reply passed on as it is and stored nowhere.

    Attributes:
        reply: None where it was another's, whose client received it.
        read: Its body, where it was read.
    """

    reply: Reply | AsyncReply | None
    source: Source
    why: str
    read: Response | None = None
