"""groq."""

from __future__ import annotations

import groq

from matrix.sdks.stainless import aiohttp, chats

WAYS = chats(groq, groq.Groq, groq.AsyncGroq) | aiohttp(groq, groq.AsyncGroq)
