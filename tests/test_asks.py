from __future__ import annotations

from dataclasses import replace

from cachesaver.asks import Ask
from cachesaver.dialects.generic import Generic
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.exchange import Request
from cachesaver.identity import identify
from cachesaver.lineage import draw, root
from cachesaver.ports import Policy, Run


def ask(request: Request) -> Ask:
    question = identify(request, Generic())
    return Ask(
        question=question,
        upstream=request,
        run=Run(namespace="a", id="0"),
        drawn=draw(root("0"), question.fingerprint, 1),
        policy=Policy.RESERVE,
        now=100.0,
        nearest=lambda _: None,
    )


def test_what_goes_out_live_is_what_the_program_said_less_what_was_for_us() -> None:
    """Given a number of the program's own and a word for us, then only the number goes on."""
    number = (FIRST_INDEX, "5")
    request = Request(
        method="POST",
        url="https://x.test/ask",
        headers=(number, ("x-cachesaver-request-id", "a"), ("x-theirs", "b")),
        body=b'{"q":1}',
    )
    asked = ask(request)

    live = replace(asked, upstream=replace(request, headers=())).live

    assert live.headers == (number, ("x-theirs", "b"))
    assert live.body == request.body
