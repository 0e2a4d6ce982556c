"""The fireworks SDK as it is."""

from __future__ import annotations

import fireworks

from chatting import contract, programs, stainless, thought

SDK = stainless(fireworks.Fireworks, fireworks.AsyncFireworks, prefix="")

PROGRAMS = programs(SDK, thought(SDK, "reasoning_content", thinking={"type": "enabled"}))

TestFireworks = contract(PROGRAMS)
