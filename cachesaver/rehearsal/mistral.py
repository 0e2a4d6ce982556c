"""What Mistral has beside chat completions: fill-in-the-middle, agents, and the reading of documents.

https://docs.mistral.ai/api and the types of the SDK mistralai.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from cachesaver.rehearsal.openai_chat import NOT_SHAPING, ChatApi
from cachesaver.rehearsal.openai_common import OpenAIApi
from cachesaver.rehearsal.reading import listed, mapped, required, without
from cachesaver.rehearsal.values import Ask, Frame, Message, Prompt, Take, digest

__all__ = ["AgentsApi", "FimApi", "OcrApi"]


class FimApi(ChatApi):
    """`POST …/fim/completions`: answers with a chat completion."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; what stands after the gap is told like an instruction."""
        turns = (("system", body.get("suffix") or ""), ("user", required(body, "prompt", str)))
        messages = [{"role": role, "content": text} for role, text in turns]
        ask = super().read(path, {**body, "messages": messages, "n": 1})
        return replace(
            ask, endpoint="mistral.fim", shape=without(body, NOT_SHAPING), count=1, body=body
        )


class AgentsApi(ChatApi):
    """`POST …/agents/completions`: the agent is the model."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        ask = super().read(path, {**body, "model": required(body, "agent_id", str)})
        return replace(ask, endpoint="mistral.agents")


class OcrApi(OpenAIApi):
    """`POST …/ocr`: the same document has the same pages, always."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be read."""
        document = required(body, "document", dict)
        text = str(document.get("document_url") or document.get("image_url"))
        return Ask(
            endpoint="mistral.ocr",
            model=required(body, "model", str),
            prompt=Prompt(messages=(Message(role="user", text=text),)),
            shape=without(body, ()),
            count=0,
            billed=0,
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the pages that are asked for, the first two unless others are."""
        wanted = mapped(ask.body.get("document"))
        pages = listed(ask.body.get("pages")) or [0, 1]
        return {
            "pages": [
                {
                    "index": page,
                    "markdown": f"# Page {page}\n\n{digest(wanted, page)[:24]}",
                    "images": [],
                    "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
                }
                for page in pages
            ],
            "model": ask.model,
            "document_annotation": None,
            "usage_info": {"pages_processed": len(pages), "doc_size_bytes": len(ask.prompt.text)},
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: pages are not streamed."""
        return iter(())
