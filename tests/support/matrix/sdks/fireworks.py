"""fireworks-ai."""

from __future__ import annotations

import fireworks

from matrix.sdks.stainless import STALLED, aiohttp, chats

WAYS = {
    **chats(fireworks, fireworks.Fireworks, fireworks.AsyncFireworks, **STALLED),
    **aiohttp(fireworks, fireworks.AsyncFireworks, **STALLED),
}
