"""Headers that decide who answers, in front of any API: what gateways read, and opting in to more.

They count for every dialect: a gateway takes all of its APIs at one address.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.exchange import Request

__all__ = ["FIRST_INDEX", "ROUTED", "ROUTING", "UNSETTLED", "is_addressed_by_header"]

FIRST_INDEX = "x-cachesaver-first-index"
"""Which sample of its seed is the first one, from 0: said to our own endpoint, and by it."""

ROUTING: Mapping[str, str] = MappingProxyType(
    {
        "openai-beta": "https://platform.openai.com/docs/api-reference: opts in to other behaviour",
        "helicone-target-url": "https://docs.helicone.ai: which provider the gateway asks",
        "x-portkey-provider": "https://portkey.ai/docs: which provider the gateway asks",
        "x-portkey-custom-host": "https://portkey.ai/docs: which host the gateway asks",
        "x-litellm-tags": (
            "https://docs.litellm.ai/docs/proxy/request_headers: which deployment the gateway asks"
        ),
        "x-ms-oai-image-generation-deployment": (
            "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses: which model draws"
        ),
        "azureml-model-deployment": (
            "https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints: "
            "which deployment of the endpoint answers"
        ),
        FIRST_INDEX: "docs/how-to/local-models.md: from which sample of its seed on",
    }
)
"""Headers that shape the answer. Organisation and project are whose bill it is, and left out."""

ROUTED = frozenset(ROUTING)
"""The answer-shaping headers of a dialect that has none of its own."""

UNSETTLED: Mapping[str, str] = MappingProxyType(
    {
        "x-portkey-config": "https://portkey.ai/docs: routes by a document that may hold keys",
        "x-portkey-virtual-key": "https://portkey.ai/docs: names the provider by a credential",
    }
)
"""Headers that shape the answer and cannot be kept with the question: such requests pass through."""

_UNSETTLED = frozenset(UNSETTLED)


def is_addressed_by_header(request: Request) -> bool:
    """Tell whether a header we cannot keep decides who answers *request*."""
    return not _UNSETTLED.isdisjoint(request.header_names)
