"""Who sits together, who deals, who gets what: plain values."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cachesaver.batching import Desk, Errand, Hand, Lead, Seat, calls, deal, is_unbroken
from cachesaver.ports import Grant, Run

RUN, OTHER = Run(id="r", namespace="a"), Run(id="r", namespace="b")


def seat(*draws: str, run: Run = RUN, age: int = 0) -> Seat:
    return Seat(run=run, draws=draws or ("d",), age=age)


def seated(*seats: Seat, desk: Desk) -> None:
    for each in seats:
        desk.sit("key", each)


def lead(index: int) -> Grant:
    return Grant(index=index, token=f"t{index}")


def indexes(hand: Hand) -> list[int]:
    return [each.index for each in hand.leads]


class TestTheDesk:
    def test_the_first_of_a_batch_leads_it(self) -> None:
        desk, one, two, other = Desk(), seat(), seat(), seat()
        batch = desk.sit("key", one)

        assert desk.sit("key", two) is batch
        assert desk.sit("another key", other) is not batch
        assert [one.leads, two.leads, other.leads] == [True, False, True]
        assert batch.draws == 2

    def test_a_closed_batch_gives_its_seats_the_oldest_first(self) -> None:
        desk, one, two, three = Desk(), seat(age=2), seat(age=1), seat(age=2)
        seated(one, two, three, desk=desk)

        assert desk.close(one) == (two, one, three)

        late = seat()
        desk.sit("key", late)
        assert late.leads, "who comes late opens another batch"

    def test_who_never_sat_down_is_a_batch_of_its_own(self) -> None:
        alone = seat()

        assert Desk().close(alone) == (alone,)
        assert Desk().leave(alone) == (None, None)

    def test_who_leaves_in_time_is_dealt_nothing(self) -> None:
        desk, one, two = Desk(), seat(), seat()
        seated(one, two, desk=desk)

        assert desk.leave(two) == (None, None)
        assert desk.close(one) == (one,)

    def test_when_who_leads_leaves_another_leads(self) -> None:
        desk, one, two, three = Desk(), seat(), seat(), seat()
        seated(one, two, three, desk=desk)

        assert desk.leave(one) == (None, two)
        assert desk.leave(two) == (None, three)
        assert desk.close(three) == (three,)

    def test_when_the_last_leaves_the_batch_is_gone(self) -> None:
        desk, one, next_one = Desk(), seat(), seat()
        seated(one, desk=desk)

        assert desk.leave(one) == (None, None)
        seated(next_one, desk=desk)
        assert next_one.leads

    def test_when_who_closed_it_leaves_before_dealing_another_deals(self) -> None:
        """Given an interrupt between closing and dealing, then nobody waits for ever."""
        desk, one, two = Desk(), seat(), seat()
        seated(one, two, desk=desk)
        desk.close(one)
        late = seat()
        seated(late, desk=desk)

        assert desk.leave(one) == (None, two)
        assert desk.close(two) == (two,)

        late_too = seat()
        seated(late_too, desk=desk)
        assert not late_too.leads, "the batch that was opened since is still open"

    def test_who_leaves_a_closed_batch_last_leaves_the_open_one_alone(self) -> None:
        desk, one, late, later = Desk(), seat(), seat(), seat()
        seated(one, desk=desk)
        desk.close(one)
        seated(late, desk=desk)

        assert desk.leave(one) == (None, None)

        seated(later, desk=desk)
        assert not later.leads

    def test_the_hand_of_who_has_left_is_given_back_to_who_deals(self) -> None:
        desk, one, two = Desk(), seat(), seat()
        seated(one, two, desk=desk)
        seats = desk.close(one)
        desk.leave(two)
        hands = (Hand(place=0), Hand(place=1))

        assert desk.hand_out(seats, hands) == (hands[1],)
        assert one.hand is hands[0]

    def test_who_leaves_when_it_was_dealt_is_told_what_it_holds(self) -> None:
        desk, one, hand = Desk(), seat(), Hand()
        seated(one, desk=desk)
        desk.hand_out(desk.close(one), (hand,))

        assert desk.leave(one) == (hand, None)

    def test_all_are_told_why_nothing_was_dealt(self) -> None:
        desk, error = Desk(), ValueError("no")
        seats = (seat(), seat())

        desk.refuse(seats, error)

        assert [each.error for each in seats] == [error, error]


class TestDealing:
    def test_one_buys_for_all_and_the_others_know_of_it(self) -> None:
        seats = [seat("a"), seat("b", "c", run=OTHER)]

        one, two = deal(seats, [[lead(0)], [lead(0), lead(1)]], None)

        assert [(each.draw, each.run, each.own) for each in one.leads] == [
            ("a", RUN, True),
            ("b", OTHER, False),
            ("c", OTHER, False),
        ]
        assert two.leads == ()
        (errand,) = {id(each): each for each in two.errands.values()}.values()
        assert all(each.errand is errand for each in one.leads)
        assert errand.waiting == {two.place}

    @pytest.mark.parametrize(
        ("most", "bought"),
        [
            (None, [[0, 1, 2, 3, 4], [], []]),
            (8, [[0, 1, 2, 3, 4], [], []]),
            (2, [[0, 1], [2, 3], [4]]),
            (1, [[0], [1, 2], [3, 4]]),
            (3, [[0, 1, 2], [], [3, 4]]),
        ],
    )
    def test_several_calls_are_made_by_several_of_those_who_wait(
        self, most: int | None, bought: Sequence[Sequence[int]]
    ) -> None:
        seats = [seat("a"), seat("b", "c"), seat("d", "e")]
        grants = [[lead(0)], [lead(1), lead(2)], [lead(3), lead(4)]]

        hands = deal(seats, grants, most)

        assert [indexes(hand) for hand in hands] == bought
        places = {lead.draw: lead.place for hand in hands for lead in hand.leads}
        assert places == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 2}
        assert sorted(index for hand in hands for index in indexes(hand)) == [0, 1, 2, 3, 4]
        assert [hand.grants for hand in hands] == [tuple(each) for each in grants]
        for hand in hands:
            led = set(indexes(hand))
            theirs = {grant.index for grant in hand.grants} - led
            assert set(hand.errands) == theirs

    def test_what_is_there_or_in_flight_is_not_bought(self) -> None:
        (hand,) = deal([seat("a", "b")], [[Grant(index=0), lead(1)]], None)

        assert indexes(hand) == [1]
        assert hand.leads[0].own
        assert hand.leads[0].errand is None, "it is in nobody's way"

    def test_where_all_is_there_nothing_is_bought(self) -> None:
        assert deal([seat("a")], [[Grant(index=0)]], None)[0].leads == ()

    def test_who_lays_its_hand_down_waits_for_nobody(self) -> None:
        _, two, three = deal(
            [seat("a"), seat("b"), seat("c")], [[lead(0)], [lead(1)], [lead(2)]], 9
        )

        two.lay_down()
        two.lay_down()

        assert next(iter(three.errands.values())).waiting == {three.place}


@pytest.mark.parametrize(
    ("most", "cut"), [(None, [3]), (5, [3]), (3, [3]), (2, [2, 1]), (1, [1, 1, 1])]
)
def test_leads_are_cut_into_calls(most: int | None, cut: Sequence[int]) -> None:
    leads = [Lead(index=index, token="t", draw="d", run=RUN) for index in range(3)]

    made = calls(leads, most)

    assert [len(call) for call in made] == cut
    assert [each for call in made for each in call] == leads


def test_leads_with_gaps_are_cut_at_them_where_they_must_follow_each_other() -> None:
    leads = [Lead(index=at, token="t", draw="d", run=RUN) for at in (2, 3, 5, 6, 7, 4)]

    cut = [[each.index for each in call] for call in calls(leads, 2, unbroken=True)]

    assert cut == [[2, 3], [5, 6], [7], [4]]
    assert [len(call) for call in calls(leads, None)] == [6]
    assert [is_unbroken(call) for call in calls(leads, 3)] == [False, False]
    assert is_unbroken(leads[2:5])


def test_gaps_are_bought_by_several_of_those_who_wait() -> None:
    """Given samples that must follow each other, then a call is cut where somebody's is missing."""
    seats, grants = [seat("a"), seat("b", "c")], [[lead(2)], [lead(3), lead(5)]]

    one, two = deal(seats, grants, None, unbroken=True)

    assert (indexes(one), indexes(two)) == ([2, 3], [5])
    assert [*two.errands] == [3]


def test_nothing_to_buy_is_no_call() -> None:
    assert calls([], None) == ()


def test_an_errand_has_been_refused_nothing_yet() -> None:
    assert Errand[str]().refusal is None
