"""The groq SDK as it is."""

from __future__ import annotations

import groq

from chatting import contract, programs, stainless, thought

SDK = stainless(groq.Groq, groq.AsyncGroq, prefix="")

PROGRAMS = programs(SDK, thought(SDK, "reasoning", reasoning_format="parsed"))

TestGroq = contract(PROGRAMS)
