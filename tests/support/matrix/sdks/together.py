"""together."""

from __future__ import annotations

import together

from matrix.sdks.stainless import STALLED, aiohttp, chats

WAYS = {
    **chats(together, together.Together, together.AsyncTogether, **STALLED),
    **aiohttp(together, together.AsyncTogether, **STALLED),
}
