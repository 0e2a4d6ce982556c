"""The Cerebras SDK as it is."""

from __future__ import annotations

from functools import partial

from cerebras.cloud.sdk import AsyncCerebras, Cerebras

from chatting import contract, programs, stainless, thought

# Not asked to open a connection beforehand, which would be a request for nothing.
SDK = stainless(
    partial(Cerebras, warm_tcp_connection=False),
    partial(AsyncCerebras, warm_tcp_connection=False),
    prefix="",
)

PROGRAMS = programs(SDK, thought(SDK, "reasoning", reasoning_format="parsed"))

TestCerebras = contract(PROGRAMS)
