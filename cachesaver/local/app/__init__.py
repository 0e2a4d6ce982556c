"""The OpenAI-compatible face of local models: an ASGI application over engines and encoders.

Everything here can be imported without torch and transformers: models are handed in.
"""

from __future__ import annotations
