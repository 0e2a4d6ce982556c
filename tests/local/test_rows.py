"""A row knows when it is over; a queue keeps equal prompts together and everybody's turn."""

from __future__ import annotations

import pytest

from cachesaver.local import EngineFailedError, ParameterError, Params, Stream, Token
from cachesaver.local.rows import Prompt, Queue, Row


def row(*prompt: int, limit: int = 3, ends: frozenset[int] = frozenset(), serial: int = 0) -> Row:
    return Row(
        prompt=prompt,
        params=Params(),
        stream=Stream(index=0, seed=0),
        limit=limit,
        ends=ends,
        serial=serial,
    )


def test_it_is_over_at_its_limit() -> None:
    ours = row(7, 8, limit=2)

    assert [ours.take(Token(1)), ours.take(Token(2))] == [False, True]
    assert ours.stream.finish == "length"
    assert ours.tokens == (7, 8, 1, 2)


def test_an_end_token_at_the_limit_is_an_end() -> None:
    ours = row(7, limit=1, ends=frozenset({5}))

    assert ours.take(Token(5))
    assert ours.stream.finish == "stop"


def test_what_was_drawn_is_what_the_next_draw_goes_by() -> None:
    ours = row(7)
    before = ours.draw
    ours.take(Token(4))

    assert before.prompt == (7,)
    assert list(ours.draw.answer) == [4]
    assert ours.draw.guide is None


def test_no_number_is_an_error() -> None:
    ours = row(7)

    assert ours.take(None)
    with pytest.raises(EngineFailedError) as raised:
        ours.stream.read()
    assert isinstance(raised.value.__cause__, ArithmeticError)


def test_what_the_request_is_to_blame_for_is_told_as_it_is() -> None:
    ours, error = row(7), ParameterError("response_format", "too large")

    assert ours.fail(error)
    with pytest.raises(ParameterError) as raised:
        ours.stream.read()
    assert raised.value is error


def test_equal_prompts_wait_together_and_all_in_order() -> None:
    queue = Queue()
    for prompt in ((1, 2), (3,), (1, 2)):
        queue.add(row(*prompt))

    assert len(queue) == 3
    taken = [queue.pop(), queue.pop(), queue.pop()]
    assert [each and (each.tokens, len(each.rows)) for each in taken] == [
        ((1, 2), 2),
        ((3,), 1),
        None,
    ]


def test_what_arrives_after_its_prompt_was_taken_waits_at_the_end() -> None:
    queue = Queue()
    for prompt in ((1,), (2,)):
        queue.add(row(*prompt))
    queue.pop()

    queue.add(row(1))

    assert [each.prompt for each in queue] == [(2,), (1,)]


def test_what_is_put_back_is_next_with_what_it_said() -> None:
    queue = Queue()
    queue.add(row(1))
    ours = row(2)
    ours.take(Token(9))

    queue.put_back(ours)

    first = queue.pop()
    assert first is not None
    assert first.tokens == (2, 9)


def test_who_is_unwanted_is_swept_out() -> None:
    queue = Queue()
    rows = [row(1), row(1), row(2)]
    for each in rows:
        queue.add(each)
    rows[0].stream.cancel()
    rows[2].stream.cancel()

    assert list(queue.sweep()) == [rows[0], rows[2]]
    assert list(queue) == [rows[1]]
    first = queue.pop()
    assert first is not None
    assert list(first.rows) == [rows[1]]
    assert queue.pop() is None


def test_a_prompt_sweeps_its_own() -> None:
    rows = [row(1), row(1)]
    rows[1].stream.cancel()
    prompt = Prompt((1,), rows)

    assert list(prompt.sweep()) == [rows[1]]
    assert list(prompt.rows) == [rows[0]]
    assert list(prompt.sweep()) == []
