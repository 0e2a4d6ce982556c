"""The endpoints no SDK knows."""

from __future__ import annotations

import json

import httpx2
import pytest

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.plain import OrdersApi


def test_a_query_is_answered_differently_each_time(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    url = f"{rehearsal.url}/v2/query"

    answers = [http.post(url, json={"query": "What?", "top": 3}).json() for _ in range(2)]

    assert answers[0]["answer"] != answers[1]["answer"]
    assert rehearsal.calls().of("plain.query").samples == 2


def test_a_streamed_query_ends_with_the_whole_answer(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    url = f"{rehearsal.url}/v2/query"
    whole = http.post(url, json={"query": "What?"}).json()
    rehearsal.reset()

    body = http.post(url, json={"query": "What?", "stream": True}).content
    *pieces, last = [json.loads(event.data) for event in decode(body)]

    assert "".join(piece["piece"] for piece in pieces) == whole["answer"]
    assert last == {"done": True, **whole}


@pytest.mark.parametrize(("path", "body"), [("query", {}), ("query", {"query": 5})])
def test_a_bad_query_is_refused(
    rehearsal: Rehearsal, http: httpx2.Client, path: str, body: object
) -> None:
    answer = http.post(f"{rehearsal.url}/{path}", json=body)

    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_orders_are_numbered_whatever_is_ordered(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    orders = [http.post(f"{rehearsal.url}/orders", json=b).json() for b in ({"a": 1}, {"a": 1}, {})]

    assert [order["order"] for order in orders] == [1, 2, 3]
    assert orders[0]["items"] == {"a": 1}
    assert rehearsal.calls().of("orders").calls == 3
    api = OrdersApi()
    assert list(api.stream(api.read("", {"stream": True}), ())) == []


def test_an_error_event_is_an_error_body(rehearsal: Rehearsal, http: httpx2.Client) -> None:
    rehearsal.fault("error-event;after=0")

    body = http.post(f"{rehearsal.url}/v2/query", json={"query": "What?", "stream": True}).content

    assert [set(json.loads(event.data)) for event in decode(body)] == [{"error"}]
