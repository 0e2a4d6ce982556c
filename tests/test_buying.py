"""One call for several draws, driven by hand: what is kept, what is let go, what is learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest

from cachesaver.asks import Ask, Purchase, Source, Through, _unsettled
from cachesaver.batching import Errand, Lead
from cachesaver.buying import buy, pass_through, sample_of
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.dialects.generic import Generic
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.effects import Effect, Fill, Note, Read, Release, Send, Steps, Together
from cachesaver.errors import BudgetExceededError, DialectError
from cachesaver.exchange import Reply, Request, Response, Sample
from cachesaver.identity import identify
from cachesaver.lineage import draw, root
from cachesaver.ports import Policy, Run

RUN = Run(id="r", namespace="ns")


class Toy(BaseDialect):
    """`{"n": 2}` asks for two; `{"texts": [...]}` answers."""

    name = "toy"
    volatile: Mapping[str, str] = {"n": "count"}
    max_count = None

    def count(self, body: Mapping[str, object]) -> int:
        return cast("int", body.get("n", 1))

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        return request.with_body(orjson.dumps({**body, "n": count}))

    def sound(self, response: Response) -> bool:
        return b"error" not in response.body

    def split(self, response: Response) -> tuple[Response, ...]:
        texts = cast("list[str]", json_object(response, dialect=self.name)["texts"])
        if "unsplittable" in texts:
            raise DialectError("no", dialect=self.name)
        return tuple(json_response(response, {"texts": [each]}) for each in texts)


class Provider:
    """Performs steps: sends are answered by *answer* (told how many are asked for)."""

    def __init__(self, answer: Callable[[int], Response | BaseException]) -> None:
        self.answer = answer
        self.asked: list[int] = []
        self.read: list[object] = []
        self.filled: list[int] = []
        self.noted: list[str] = []
        self.released: list[tuple[int, bool]] = []

    def run(self, steps: Steps[Any]) -> Any:
        resume: Callable[[], Effect[Any]] = lambda: next(steps)  # noqa: E731  # the first of many
        while True:
            try:
                effect = resume()
            except StopIteration as stop:
                return stop.value
            try:
                result = self._perform(effect)
            except Exception as error:  # noqa: BLE001  # the steps decide
                resume = lambda error=error: steps.throw(error)  # type: ignore[misc]  # noqa: E731
            else:
                resume = lambda result=result: steps.send(result)  # type: ignore[misc]  # noqa: E731

    def _perform(self, effect: Effect[Any]) -> object:
        match effect:
            case Send(request=request, count=count):
                assert orjson.loads(request.body)["n"] == count
                self.asked.append(count)
                answer = self.answer(count)
                if isinstance(answer, BaseException):
                    raise answer
                return Reply(
                    status=answer.status,
                    headers=answer.headers,
                    chunks=iter(answer.chunks),
                    close=lambda: None,
                    native=answer,
                )
            case Read(reply=reply):
                self.read.append(reply)
                return reply.native
            case Fill():
                self.filled.append(effect.index)
                return effect.sample
            case Release():
                self.released.append((effect.index, effect.keeps))
                return None
            case Note():
                self.noted.append(effect.sample.draw)
                return effect.sample
            case Together(parts=parts):
                return tuple([self.run(part) for part in parts])
            case _:
                raise AssertionError(effect)


def whole(*texts: str, status: int = 200) -> Response:
    return Response(
        status=status,
        headers=(("content-type", "application/json"),),
        chunks=(orjson.dumps({"texts": texts}),),
        offsets=(1.0,),
    )


def generous(count: int) -> Response:
    return whole(*map(str, range(count)))


def ask(n: int = 1, settle: Callable[[Any, Purchase], None] = _unsettled) -> Ask:
    body = orjson.dumps({"q": "?", "n": n})
    request = Request(method="POST", url="https://x.test/toy", body=body)
    question = identify(request, Toy())
    return Ask(
        question=question,
        upstream=request,
        run=RUN,
        drawn=draw(root("0"), question.fingerprint, n),
        policy=Policy.RESERVE,
        now=100.0,
        nearest=lambda _: None,
        settle=settle,
    )


def seeded(n: int, settled: list[Purchase]) -> Ask:
    """Return what asks a server for *n* samples that is known to draw by number."""
    request = Request(
        method="POST", url="https://x.test/toy", body=orjson.dumps({"q": "?", "seed": 1, "n": n})
    )
    asked = replace(
        ask(settle=lambda _, purchase: settled.append(purchase)),
        question=identify(request, Toy()),
        upstream=request,
    )
    asked.numbering.learn(request, numbers=True)
    return asked


def others_of(count: int) -> Response:
    """Return other samples of the seed than those that anybody asks for."""
    plain = generous(count)
    return replace(plain, headers=((FIRST_INDEX, "9"), *plain.headers))


def test_samples_of_another_number_are_passed_on_and_not_kept() -> None:
    """Given a server that is told which sample is meant and gives another, then nothing is stored."""
    settled = list[Purchase]()
    asked, provider = seeded(1, settled), Provider(others_of)

    result = provider.run(buy(asked, leads(1)[0]))

    assert isinstance(result, Through)
    assert (result.source, result.reply is not None) == (Source.BYPASSED, True)
    assert (provider.filled, provider.released) == ([], [(0, False)])
    assert [purchase.known for purchase in settled] == [False]


def test_samples_of_another_number_for_several_keep_no_connection() -> None:
    """Given a call for two requests that is answered wrong, then it is read, and each asks alone."""
    settled = list[Purchase]()
    asked, provider = seeded(1, settled), Provider(others_of)

    result = provider.run(buy(asked, leads(1, 1)[0]))

    assert isinstance(result, Through)
    assert provider.asked == [2, 1]
    assert [reply is result.reply for reply in provider.read] == [False]
    assert provider.released == [(1, True), (0, False)]
    assert asked.limits.most(asked.question) is None
    assert [purchase.known for purchase in settled] == [False, False]


@pytest.mark.parametrize("is_numbered", [True, False])
def test_who_asks_for_three_is_never_shown_two(*, is_numbered: bool) -> None:
    """Given one of three in the store, when the other two cannot be kept, then all are asked for."""
    asked = seeded(3, [])
    provider = Provider(lambda n: others_of(n) if is_numbered else whole(*["unsplittable"] * n))

    result = provider.run(buy(asked, leads(3)[0][1:]))

    assert isinstance(result, Through)
    assert result.source is Source.BYPASSED
    assert provider.asked == [2, 3]
    assert [reply is result.reply for reply in provider.read] == [False]
    assert provider.filled == []
    assert provider.released == [(1, False), (2, False)]


def test_what_is_passed_through_says_what_its_program_says() -> None:
    """Given a program that says from which sample on, when none can be kept, then it is asked so."""
    said = ((FIRST_INDEX, "5"), ("x-cachesaver-request-id", "a"))
    asked = ask()
    theirs = replace(asked.question, request=replace(asked.upstream, headers=said))

    sent = next(pass_through(replace(asked, question=theirs), "why"))

    assert isinstance(sent, Send)
    assert sent.request.headers == said[:1]


def leads(own: int, others: int = 0) -> tuple[list[Lead], Errand[object]]:
    errand = Errand[object]()
    made = [
        Lead(
            index=index,
            token=f"t{index}",
            draw=f"d{index}",
            run=RUN,
            own=index < own,
            errand=errand if others else None,
        )
        for index in range(own + others)
    ]
    return made, errand


def texts(bought: Any) -> dict[int, str]:
    return {index: orjson.loads(s.response.body)["texts"][0] for index, s in bought.items()}


class TestOneCallForSeveral:
    def test_each_slot_gets_its_sample_and_the_bill_is_one(self) -> None:
        provider, told = Provider(generous), list[Purchase]()
        led, _ = leads(1, 2)

        bought = provider.run(buy(ask(settle=lambda _, purchase: told.append(purchase)), led))

        assert texts(bought) == {0: "0", 1: "1", 2: "2"}
        assert [sample.draw for sample in bought.values()] == ["d0", "d1", "d2"]
        assert (provider.asked, provider.filled, provider.released) == ([3], [0, 1, 2], [])
        assert [purchase.samples for purchase in told] == [3]

    def test_more_than_were_asked_for_are_not_kept(self) -> None:
        provider, told = Provider(lambda _: whole("a", "b", "c")), list[Purchase]()

        asked = ask(2, settle=lambda _, purchase: told.append(purchase))
        bought = provider.run(buy(asked, leads(2)[0]))

        assert texts(bought) == {0: "a", 1: "b"}
        assert [purchase.samples for purchase in told] == [2]

    def test_what_is_missing_of_ours_is_asked_for_and_theirs_is_left_to_them(self) -> None:
        provider = Provider(lambda _: whole("a"))
        asked = ask(2)

        bought = provider.run(buy(asked, leads(2, 2)[0]))

        assert sorted(texts(bought)) == [0, 1]
        assert provider.asked == [4, 1]
        assert provider.released == [(2, True), (3, True)]
        assert asked.limits.most(asked.question) == 1


class TestARefusal:
    @pytest.mark.parametrize("status", [400, 404, 405, 413, 422])
    def test_that_may_be_one_of_the_number_is_shown_to_nobody(self, status: int) -> None:
        provider = Provider(lambda n: whole(status=status) if n > 1 else whole("a"))
        asked, (led, errand) = ask(), leads(1, 2)

        bought = provider.run(buy(asked, led))

        assert texts(bought) == {0: "a"}
        assert provider.asked == [3, 1]
        assert provider.released == [(1, True), (2, True)]
        assert errand.refusal is None
        assert asked.limits.most(asked.question) == 1

    def test_that_is_one_of_the_question_teaches_nothing(self) -> None:
        provider = Provider(lambda _: whole(status=400))
        asked = ask()

        refused = provider.run(buy(asked, leads(1, 2)[0]))

        assert (refused.source, refused.reply.status) == (Source.ERROR, 400)
        assert asked.limits.most(asked.question) is None

    def test_of_as_many_as_one_asked_for_is_theirs(self) -> None:
        provider = Provider(lambda _: whole(status=400))

        refused = provider.run(buy(ask(2), leads(2)[0]))

        assert (refused.source, refused.read) == (Source.ERROR, None)
        assert provider.asked == [2]
        assert provider.released == [(0, False), (1, False)]

    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 529])
    def test_of_the_moment_is_shown_to_all_and_half_as_many_are_tried_next(
        self, status: int
    ) -> None:
        provider = Provider(lambda _: whole(status=status))
        asked, (led, errand) = ask(), leads(1, 3)

        refused = provider.run(buy(asked, led))

        theirs = errand.refusal
        assert isinstance(theirs, Through)
        assert theirs.reply is None
        assert refused.read is theirs.read
        assert provider.asked == [4]
        assert provider.released == [(index, False) for index in range(4)]
        assert asked.limits.most(asked.question) == 2

    def test_is_kept_once_for_each_caller_that_is_there_to_be_shown_it(self) -> None:
        """Given two draws of ours, two of another's and one of who has left, then two errors are kept."""

        class Keeper:
            def keeps(self, status: int) -> bool:
                return status == 429

            def note(self, fingerprint: str, sample: Sample, *, question: bytes) -> Future[Sample]:
                raise AssertionError(fingerprint, sample, question)  # an effect asks for it

        provider = Provider(lambda _: whole(status=429))
        led, errand = leads(2, 3)
        errand.waiting.add(1)
        seated = [
            replace(lead, place=place) for lead, place in zip(led, (0, 0, 1, 1, 2), strict=True)
        ]

        provider.run(buy(replace(ask(2), notes=Keeper()), seated))

        assert provider.noted == ["d0", "d2"]


class TestAnAnswerThatIsNone:
    @pytest.mark.parametrize("said", ["error", "unsplittable"])
    def test_is_asked_for_again_by_everybody_alone(self, said: str) -> None:
        provider = Provider(lambda n: whole(said) if n > 1 else whole("a"))
        asked = ask()

        bought = provider.run(buy(asked, leads(1, 1)[0]))

        assert texts(bought) == {0: "a"}
        assert provider.released == [(1, True)]
        assert asked.limits.most(asked.question) == 1

    def test_is_shown_to_who_asked_alone(self) -> None:
        provider = Provider(lambda _: whole("error"))

        shown = provider.run(buy(ask(), leads(1)[0]))

        assert (shown.source, shown.read) == (Source.BYPASSED, whole("error"))
        assert provider.released == [(0, False)]


class TestABudget:
    def test_too_small_for_all_may_do_for_one(self) -> None:
        error = BudgetExceededError.__new__(BudgetExceededError)
        provider = Provider(lambda n: error if n > 1 else whole("a"))

        bought = provider.run(buy(ask(), leads(1, 1)[0]))

        assert texts(bought) == {0: "a"}
        assert provider.released == [(1, True)]

    def test_too_small_for_ours_is_our_error(self) -> None:
        error = BudgetExceededError.__new__(BudgetExceededError)

        with pytest.raises(BudgetExceededError):
            Provider(lambda _: error).run(buy(ask(2), leads(2)[0]))


class TestSeveralCalls:
    @staticmethod
    def _limited(most: int) -> Ask:
        asked = ask(5)
        asked.limits.gave(asked.question, 9, most)
        return asked

    def test_are_made_where_one_may_not_ask_for_all(self) -> None:
        provider = Provider(generous)

        bought = provider.run(buy(self._limited(2), leads(5)[0]))

        assert sorted(bought) == [0, 1, 2, 3, 4]
        assert provider.asked == [2, 2, 1]

    def test_show_one_refusal_and_keep_no_connection(self) -> None:
        provider = Provider(lambda n: whole(status=429) if n > 1 else whole("a"))

        refused = provider.run(buy(self._limited(2), leads(5)[0]))

        assert refused.source is Source.ERROR
        assert refused.read.status == 429
        assert len(provider.read) == 3, "what is not read keeps its connection"
        assert provider.filled == [4]

    def test_each_let_go_of_what_they_lead_where_the_client_fails(self) -> None:
        provider = Provider(lambda n: whole("a", "b") if n > 1 else ConnectionError("reset"))

        with pytest.raises(ConnectionError, match="reset"):
            provider.run(buy(self._limited(2), leads(5)[0]))

        assert provider.filled == [0, 1, 2, 3]
        assert provider.released == [(4, False)]

    def test_leave_nothing_to_do_when_nobody_goes_on_with_them(self) -> None:
        steps = buy(self._limited(2), leads(5)[0])
        together = cast("Together", next(steps))
        part = together.parts[0]
        next(part)

        part.close()
        steps.close()


@pytest.mark.parametrize(
    ("url", "body", "said", "kept"),
    [
        ("", {"tools": [{"authorization": "made-up-0123"}]}, "made-up-0123", "[redacted]"),
        ("?key=made-up-0123", {}, "made-up-0123", "[redacted]"),
        ("?token=cat", {}, "cat", "cat"),
    ],
)
def test_an_echo_of_a_credential_is_not_kept(url: str, body: Any, said: str, kept: str) -> None:
    asked = Request(method="POST", url=f"https://x.test/toy{url}", body=orjson.dumps(body))
    echoing = replace(ask(), question=identify(asked, Toy()), upstream=asked)

    assert sample_of(echoing, whole(said), "").response.body == whole(kept).body


def test_a_word_of_a_question_that_nobody_reads_is_kept_in_its_answer() -> None:
    """Given `?key=llama3-8b` at an API we do not know, then its first caller reads what was said."""
    asked = Request(method="POST", url="https://x.test/ask?key=llama3-8b", body=b'{"q":1}')
    echoing = replace(ask(), question=identify(asked, Generic()), upstream=asked)

    assert sample_of(echoing, whole("llama3-8b"), "").response.body == whole("llama3-8b").body


def test_all_is_well_without_anybody_to_keep_books() -> None:
    asked = replace(ask(), settle=_unsettled)

    bought = Provider(generous).run(buy(asked, leads(1)[0]))

    assert texts(bought) == {0: "0"}
