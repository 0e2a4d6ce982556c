"""fireworks-ai."""

from __future__ import annotations

import fireworks

from matrix.sdks.stainless import aiohttp, chats

WAYS = chats(fireworks, fireworks.Fireworks, fireworks.AsyncFireworks) | aiohttp(
    fireworks, fireworks.AsyncFireworks
)
