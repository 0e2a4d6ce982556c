"""Which samples of a seed a call asks for: what is sent, and what is believed, driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from cachesaver.batching import Lead
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.effects import Effect, Read, Send, Steps
from cachesaver.exchange import Headers, Reply, Request, Response
from cachesaver.identity import Question, identify
from cachesaver.numbering import Numbering, Sent, first_said, renumbered, sent, without_ours
from cachesaver.ports import Run

RUN = Run(id="r", namespace="ns")
URL = "http://127.0.0.1:8126/v1/toy"


class Toy(BaseDialect):
    name = "toy"
    max_count = None


class Server:
    """Draws by number, if it *numbers*; remembers what it was told.

    Args:
        hears: Whether it is told what is sent.
        says: What it says of numbers whatever it is told; *once*: the first time.
    """

    def __init__(
        self,
        *,
        numbers: bool = True,
        hears: bool = True,
        status: int = 200,
        says: str | None = None,
        once: bool = False,
    ) -> None:
        self.numbers = numbers
        self.hears = hears
        self.status = status
        self.says = says
        self.once = once
        self.told: list[str | None] = []

    def run(self, steps: Steps[Sent]) -> Sent:
        result: object = None
        try:
            while True:
                result = self.perform(steps.send(result))
        except StopIteration as stop:
            found: Sent = stop.value
            return found

    def perform(self, effect: Effect[Any]) -> object:
        match effect:
            case Send(request=request):
                self.told.append(said := request.header(FIRST_INDEX))
                first = said if said and self.hears else "0"
                if self.says is not None and not (self.once and said):
                    first = self.says
                numbered = self.numbers and self.status == 200
                headers = ((FIRST_INDEX, first),) if numbered else ()
                return Reply(
                    status=self.status, headers=headers, chunks=iter(()), close=lambda: None
                )
            case Read():
                return Response(status=200)
            case _:
                raise AssertionError(effect)


def question(seed: object = 7, *, url: str = URL, headers: Headers = ()) -> Question:
    body = orjson.dumps({"model": "m", "seed": seed})
    return identify(Request(method="POST", url=url, headers=headers, body=body), Toy())


def leads(*indexes: int) -> list[Lead]:
    return [Lead(index=index, token="t", draw="d", run=RUN) for index in indexes]


def buy(
    server: Server,
    indexes: Sequence[int],
    *,
    numbering: Numbering | None = None,
    asked: Question | None = None,
    drop: Callable[[object], None] = lambda _: None,
) -> Sent:
    numbering, asked = numbering or Numbering(), asked or question()
    upstream = numbering.upstream(asked.request)
    return server.run(sent(asked, upstream, leads(*indexes), numbering=numbering, drop=drop))


def known(*, numbers: bool = True) -> Numbering:
    numbering = Numbering()
    numbering.learn(to(URL), numbers=numbers)
    return numbering


def to(url: str) -> Request:
    return Request(method="POST", url=url)


def test_who_is_known_to_draw_by_number_is_told_the_number() -> None:
    server = Server()

    assert buy(server, [3, 4], numbering=known()).is_right

    assert server.told == ["3"]


def test_the_first_samples_are_asked_for_as_ever() -> None:
    server = Server()

    assert buy(server, [0, 1]).is_right

    assert server.told == [None]


def test_who_is_known_is_told_of_the_first_too() -> None:
    """Given a gateway with samples of its own before the endpoint, then it is told which are meant."""
    server = Server()

    assert buy(server, [0, 1], numbering=known()).is_right

    assert server.told == ["0"]


def test_another_server_is_never_told() -> None:
    """Given a server that says no number, when later samples are bought, then it sees no header."""
    server, numbering = Server(numbers=False), Numbering()

    assert buy(server, [3], numbering=numbering).is_right
    assert buy(server, [4], numbering=numbering).is_right

    assert server.told == [None, None]
    assert numbering.knows(to(URL)) is False


def test_who_turns_out_to_draw_by_number_is_asked_again() -> None:
    """Given a server never seen, when what it draws are the first samples again, then they are dropped."""
    server, numbering, dropped = Server(), Numbering(), list[object]()

    bought = buy(server, [3], numbering=numbering, drop=dropped.append)

    assert bought.is_right
    assert server.told == [None, "3"]
    assert len(dropped) == 1
    assert dropped != [bought.reply]


def test_what_is_mounted_is_asked_each_time() -> None:
    """Given a mount that draws by number, when it is gone, then nothing of it counts any more."""
    mounted: list[bool] = [True]
    numbering = Numbering(lambda _: mounted[0] if mounted else None)

    assert buy(Server(), [3], numbering=numbering).is_right
    assert numbering.knows(to(URL)) is True
    mounted.clear()

    assert numbering.knows(to(URL)) is None


@pytest.mark.parametrize("seed", [None, "7", True, 1.5])
def test_without_a_seed_there_is_nothing_to_continue(seed: object) -> None:
    server = Server()

    assert buy(server, [3], numbering=known(), asked=question(seed)).is_right

    assert server.told == [None]


def test_samples_of_the_wrong_number_are_not_right() -> None:
    """Given someone in between who takes the header away, then what comes is not what was wanted."""
    server = Server(hears=False)

    bought = buy(server, [3], numbering=known())

    assert not bought.is_right
    assert server.told == ["3"]


def test_a_server_that_was_another_is_asked_anew_next_time() -> None:
    """Given gaps that a server did not mind, when another in its place does, then it gave others."""
    server, numbering = Server(), known(numbers=False)

    assert not buy(server, [3, 5], numbering=numbering).is_right

    assert numbering.must_be_unbroken(question())


@pytest.mark.parametrize("said", ["0,2", "0,?", "9" * 5000, "00", "", "x"])
def test_an_answer_that_says_anything_else_is_not_right(said: str) -> None:
    """Given a gateway that joins samples with a gap, or nonsense, then nothing is kept."""
    server, numbering = Server(says=said), known()

    assert not buy(server, [0, 1], numbering=numbering).is_right

    assert numbering.knows(to(URL)) is (said in {"0,2", "00"})


def test_who_says_several_numbers_is_asked_for_those_that_are_wanted() -> None:
    server, numbering = Server(says="0,2", once=True), Numbering()

    assert buy(server, [0, 1], numbering=numbering).is_right

    assert server.told == [None, "0"]


def test_a_refusal_teaches_nothing() -> None:
    server, numbering = Server(status=429), known()

    assert buy(server, [3], numbering=numbering).is_right

    assert numbering.knows(to(URL)) is True


def test_samples_from_a_number_on_are_counted_from_there() -> None:
    """Given a program that asks from sample 4 on, then its sample 2 is the sixth of the seed."""
    server, asked = Server(), question(headers=((FIRST_INDEX, "4"),))

    assert buy(server, [2], asked=asked).is_right

    assert server.told == [None, "6"]
    assert asked.fingerprint != question().fingerprint


def test_a_gap_is_minded_until_the_server_is_known_not_to() -> None:
    asked = question()

    assert Numbering().must_be_unbroken(asked)
    assert known().must_be_unbroken(asked)
    assert not known(numbers=False).must_be_unbroken(asked)
    assert not known().must_be_unbroken(question(None))


def test_what_is_known_is_of_one_address() -> None:
    """Given a proxy before several servers, then what one of its paths said tells nothing of others."""
    assert known().knows(to(f"{URL}?a=b")) is True
    assert known().knows(to("http://127.0.0.1:8126/other")) is None
    assert known().knows(to("http://127.0.0.1:8127/v1/toy")) is None


def test_a_sample_says_its_own_number() -> None:
    """Given the third of a call for several, then it says what it would have said alone."""
    part = Response(status=200, headers=((FIRST_INDEX, "3"), ("a", "b")))

    assert renumbered(part, question(), 5).header(FIRST_INDEX) == "5"
    assert renumbered(part, question(headers=((FIRST_INDEX, "4"),)), 5).header(FIRST_INDEX) == "9"
    assert renumbered(part, question(None), 5) is part
    other = Response(status=200)
    assert renumbered(other, question(), 5) is other


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("5", 5),
        (str(2**62), 2**62),
        *((said, None) for said in ("", "-1", "x", "\u00b2", "9" * 20, "9" * 5000)),
    ],
)
def test_a_number_is_read(said: str, number: int | None) -> None:
    assert first_said(((FIRST_INDEX, said),)) == number


def test_what_is_ours_stays_here() -> None:
    """Given headers for us, then no server sees them, but a number who draws by it."""
    headers = (("X-Cachesaver-Request-Id", "a"), (FIRST_INDEX, "3"), ("accept", "x"))
    request = Request(method="POST", url=URL, headers=headers)

    assert without_ours(request).headers == (("accept", "x"),)
    assert without_ours(request, numbers=True).headers == ((FIRST_INDEX, "3"), ("accept", "x"))
    assert Numbering().upstream(request).header(FIRST_INDEX) is None
    assert known().upstream(request).header(FIRST_INDEX) == "3"
    plain = Request(method="POST", url=URL)
    assert without_ours(plain) is plain
