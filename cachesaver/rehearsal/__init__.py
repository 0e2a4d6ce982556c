"""A simulated provider of language models on a loopback socket, for tests, demos and users.

It speaks the APIs of OpenAI, Anthropic and Gemini well enough for their own SDKs, counts what it is
asked, never says the same twice, and says the same again when history repeats itself.
"""

from __future__ import annotations

from cachesaver.rehearsal.books import Calls, Entry, Received, Tally
from cachesaver.rehearsal.latency import Latency
from cachesaver.rehearsal.server import Rehearsal
from cachesaver.rehearsal.values import Call, Message, Prompt, Tool, Utterance, Voice

__all__ = [
    "Call",
    "Calls",
    "Entry",
    "Latency",
    "Message",
    "Prompt",
    "Received",
    "Rehearsal",
    "Tally",
    "Tool",
    "Utterance",
    "Voice",
]
