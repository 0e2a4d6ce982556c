"""Mistral's completions by an agent: chat completions that name an agent instead of a model.

https://docs.mistral.ai/api (agents) and the SDK mistralai 3.7.0. The agent is the question's, as a
model is; that its maker may change it under its id is no more told than of a model. Conversations,
which keep a state on the server, have paths of their own and pass through.
"""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects.chat_hosts import MISTRAL
from cachesaver.dialects.openai_chat import CompatibleChat
from cachesaver.exchange import Request

__all__ = ["MistralAgents"]


class MistralAgents(CompatibleChat):
    """Mistral's chat completions by an agent."""

    name = "mistral.agents"
    endpoints = (r"/agents/completions",)
    hosts = f"{MISTRAL.hosts}:443"

    def __init__(self) -> None:
        super().__init__(MISTRAL)

    def _serves(self, request: Request) -> bool:
        """Always: its hosts are told by the port of dialects, or by the user."""
        return True

    def _has_model(self, request: Request, body: Mapping[str, object]) -> bool:
        agent = body.get("agent_id")
        return isinstance(agent, str) and bool(agent)
