"""groq."""

from __future__ import annotations

import groq

from matrix.sdks.stainless import STALLED, aiohttp, chats

WAYS = chats(groq, groq.Groq, groq.AsyncGroq, **STALLED) | aiohttp(groq, groq.AsyncGroq, **STALLED)
