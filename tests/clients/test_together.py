"""The together SDK as it is."""

from __future__ import annotations

import together

from chatting import contract, programs, stainless, thought

SDK = stainless(together.Together, together.AsyncTogether)

PROGRAMS = programs(SDK, thought(SDK, "reasoning", reasoning={"enabled": True}))

TestTogether = contract(PROGRAMS)
