"""Samples by number: a server that draws sample K of a seed whenever it is asked is told which K.

Who has samples 0 to 2 of a question with a seed wants those from 3 on, and not the same three again.
Our own endpoint (`cachesaver local`) takes the number of the first one in a header, and says it in what
it answers to a seed: by that it is known. No other server is ever sent the header. Where the samples of an
answer of ours do not follow each other, it says the number of each, with commas between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from cachesaver.batching import Lead, is_unbroken
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.effects import Read, Send, Steps
from cachesaver.exchange import (
    AsyncReply,
    Headers,
    Reply,
    Request,
    Response,
    get_header,
    without_headers,
)
from cachesaver.identity import Question

__all__ = ["Numbering", "Sent", "first_said", "numbered", "renumbered", "sent", "without_ours"]

_OURS = "x-cachesaver-"
"""What the names of headers that are meant for us begin with."""

_REFUSAL = 300
"""From this status on an answer tells nothing of samples."""

_DIGITS = 19
"""Of 2**62, the largest number there is, and no more than Python reads."""


class Numbering:
    """What is known of who answers, by address. Thread-safe: each step is one dictionary operation.

    Args:
        here: Tells of a request that is answered in this process whether by number; else None. It is
            asked each time, for what is mounted now may be gone, and a server there, the next time.
    """

    def __init__(self, here: Callable[[Request], bool | None] = lambda _: None) -> None:
        self._here = here
        self._known: dict[str, bool] = {}

    def learn(self, request: Request, *, numbers: bool) -> None:
        """Note whether the server at the address of *request* draws by number."""
        if self._here(request) is None:
            self._known[_address(request)] = numbers

    def knows(self, request: Request) -> bool | None:
        """Tell whether who answers *request* draws by number; None: it has not been seen to answer."""
        numbers = self._here(request)
        return self._known.get(_address(request)) if numbers is None else numbers

    def must_be_unbroken(self, question: Question) -> bool:
        """Tell whether one call for *question* may ask only for samples that follow each other."""
        return _is_seeded(question.body) and self.knows(question.request) is not False

    def upstream(self, request: Request) -> Request:
        """Return *request* less the headers that are for us and not for its server."""
        if not _ours(request):
            return request
        return without_ours(request, numbers=bool(self.knows(request)))


class Sent(NamedTuple):
    """What a call was answered.

    Attributes:
        is_right: Whether its samples, where it has any, are those that were asked for; else they are
            others of the same seed, and must not be kept.
    """

    reply: Reply | AsyncReply
    is_right: bool


def sent(
    question: Question,
    upstream: Request,
    leads: Sequence[Lead],
    *,
    numbering: Numbering,
    drop: Callable[[Reply | AsyncReply], None],
) -> Steps[Sent]:
    """Ask for the samples of *leads* with one call; a second, where only the first told that it must.

    Args:
        question: Asked for.
        upstream: The request as its client made it.
        leads: In a row, where `Numbering.must_be_unbroken` says so.
        numbering: Gets what is learnt.
        drop: Told of a reply that was read and is of no use.
    """
    request = question.dialect.ask(upstream, question.body, len(leads))
    if not _is_seeded(question.body):
        return Sent((yield from Send(request=request, count=len(leads))), is_right=True)
    first = leads[0].index + _base(question.request)
    while True:
        knew = numbering.knows(request)
        asked = replace(request, headers=_with(request.headers, str(first))) if knew else request
        reply = yield from Send(request=asked, count=len(leads))
        if reply.status >= _REFUSAL:
            return Sent(reply, is_right=True)
        said = get_header(reply.headers, FIRST_INDEX)
        numbers = said is not None and all(map(_is_number, said.split(",")))
        numbering.learn(request, numbers=numbers)
        if said is None or (said == str(first) and is_unbroken(leads)):
            return Sent(reply, is_right=True)
        if knew or not numbers or not is_unbroken(leads):
            return Sent(reply, is_right=False)
        yield from Read(reply=reply)
        drop(reply)


def renumbered(part: Response, question: Question, index: int) -> Response:
    """Return *part*, sample *index* of *question*, as it would be had it been asked for alone."""
    if not _is_seeded(question.body) or first_said(part.headers) is None:
        return part
    return replace(part, headers=_with(part.headers, str(index + _base(question.request))))


def numbered(joined: Response, question: Question, parts: Sequence[Response]) -> Response:
    """Return *joined*, made of *parts*, saying the numbers of all where they do not follow each other."""
    if len(parts) < 2 or not _is_seeded(question.body):  # noqa: PLR2004  # of one, it is there
        return joined
    numbers = [first_said(part.headers) for part in parts]
    known = [number for number in numbers if number is not None]
    if not known:
        return joined
    first = known[0]
    said = ",".join("?" if each is None else str(each) for each in numbers)
    follows = numbers == [*range(first, first + len(numbers))]
    return replace(joined, headers=_with(joined.headers, str(first) if follows else said))


def first_said(headers: Headers) -> int | None:
    """Return the number of the first sample that *headers* name, or None."""
    said = get_header(headers, FIRST_INDEX) or ""
    return int(said) if _is_number(said) else None


def without_ours(request: Request, *, numbers: bool = False) -> Request:
    """Return *request* less the headers that are meant for us (`x-cachesaver-...`).

    *numbers*: its server draws by number, and is told which.
    """
    ours = _ours(request)
    dropped = ours - {FIRST_INDEX} if numbers else ours
    return (
        replace(request, headers=without_headers(request.headers, dropped)) if dropped else request
    )


def _ours(request: Request) -> set[str]:
    if _OURS not in "\n".join(request.header_names):  # as nearly always
        return set()
    return {name for name in request.header_names if name.startswith(_OURS)}


def _with(headers: Headers, said: str) -> Headers:
    return (*without_headers(headers, (FIRST_INDEX,)), (FIRST_INDEX, said))


def _is_number(said: str) -> bool:
    return said.isascii() and said.isdecimal() and len(said) <= _DIGITS


def _base(request: Request) -> int:
    """Return which sample of its seed is the first of the question that *request* asks."""
    return first_said(request.headers) or 0


def _is_seeded(body: Mapping[str, object]) -> bool:
    seed = body.get("seed")
    return isinstance(seed, int) and not isinstance(seed, bool)


def _address(request: Request) -> str:
    """Return the part of the URL that says who answers: behind one host there may be several."""
    parts = urlsplit(request.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
