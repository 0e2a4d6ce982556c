"""What a call holds while it is under way, and when it gives it back."""

from __future__ import annotations

import orjson
import pytest

from cachesaver.asks import Purchase
from cachesaver.budget import Budget
from cachesaver.effects import Send
from cachesaver.errors import BudgetExceededError
from cachesaver.exchange import Request
from cachesaver.guards import guards

BODY = orjson.dumps({"model": "m", "messages": [], "max_tokens": 10})
CALL = Send(request=Request(method="POST", url="https://x.test/v1/chat/completions", body=BODY))


class Caller:
    """Stands for a task."""


def test_without_options_nothing_guards() -> None:
    made = guards(None, None)

    toll = made.admit(Caller(), may_wait=True)
    toll.reserve(CALL)

    assert not made.are_there
    assert toll.permit is None


def test_the_next_call_goes_out_when_one_is_settled() -> None:
    made = guards(1, None)
    first, second = (made.admit(Caller(), may_wait=True) for _ in range(2))
    assert first.permit is not None
    assert second.permit is not None
    assert (first.permit.done(), second.permit.done()) == (True, False)
    permit = second.permit

    first.settle(Purchase(samples=1))
    first.settle(Purchase(samples=1))

    assert permit.done()


def test_who_holds_a_permit_does_not_wait_for_itself() -> None:
    """Given a stream that its task has still to read, when it calls again, then at once."""
    made, caller = guards(1, None), Caller()
    stream = made.admit(caller, may_wait=True)
    stream.hold()
    assert made.holds(caller)

    again = made.admit(caller, may_wait=True)
    stream.cancel()
    assert not made.holds(caller)
    then = made.admit(caller, may_wait=True)

    assert again.permit is None
    assert then.permit is not None


def test_calls_of_one_task_at_a_time_wait_for_each_other() -> None:
    """Given the parts of one request, then no more of them go out than are allowed."""
    made, caller = guards(1, None), Caller()

    tolls = [made.admit(caller, may_wait=True) for _ in range(3)]

    assert [toll.permit is not None and toll.permit.done() for toll in tolls] == [
        True,
        False,
        False,
    ]


def test_what_a_caller_left_is_booked_as_it_was_asked() -> None:
    made = guards(None, Budget(samples=5))
    toll = made.admit(Caller(), may_wait=True)
    toll.reserve(Send(request=CALL.request, count=3))

    toll.settle(Purchase(known=False))

    assert made.purse is not None
    assert made.purse.spent.samples == 3


def test_who_may_not_wait_goes_out_at_once() -> None:
    made = guards(1, None)
    made.admit(Caller(), may_wait=True)

    assert made.admit(Caller(), may_wait=False).permit is None


@pytest.mark.parametrize(
    ("purchase", "left"),
    [
        (Purchase(), 1),  # an error answer
        (Purchase(model="m", samples=1), 0),
        (Purchase(known=False), 0),  # its caller left: it may have cost something
    ],
)
def test_a_call_is_booked_by_what_it_came_to(purchase: Purchase, left: int) -> None:
    made = guards(None, Budget(calls=1))
    toll = made.admit(Caller(), may_wait=True)
    toll.reserve(CALL)

    toll.settle(purchase)

    assert made.purse is not None
    assert made.purse.spent.calls == 1 - left
    assert made.purse.reserved.calls == 0


def test_a_call_that_costs_too_much_holds_nothing() -> None:
    made = guards(1, Budget(tokens=5))
    toll = made.admit(Caller(), may_wait=True)

    with pytest.raises(BudgetExceededError):
        toll.reserve(CALL)
    toll.cancel()

    later = made.admit(Caller(), may_wait=True)
    assert later.permit is not None
    assert later.permit.done()


def test_what_finalisers_left_is_collected() -> None:
    made = guards(1, None)
    held = made.admit(Caller(), may_wait=True)
    waiting = made.admit(Caller(), may_wait=True)
    assert made.permits is not None
    assert held.permit is not None
    assert waiting.permit is not None

    made.permits.give_back_later(held.permit)
    made.collect()

    assert waiting.permit.done()
