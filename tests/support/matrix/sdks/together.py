"""together."""

from __future__ import annotations

import together

from matrix.sdks.stainless import aiohttp, chats

WAYS = chats(together, together.Together, together.AsyncTogether) | aiohttp(together, together.AsyncTogether)
