"""Who answers agents: as the rehearsal's `prose`, which calls the tools that a user's message names."""

from __future__ import annotations

from random import Random

from cachesaver.rehearsal import Call, Prompt, Utterance
from cachesaver.rehearsal.schemas import instance
from cachesaver.rehearsal.voices import prose

__all__ = ["agreeable"]

LAST = ("final_answer", "finish", "submit")
"""Tools that end a conversation: called when another one has given its result."""


def agreeable(prompt: Prompt, rng: Random) -> Utterance:
    """Call the tool that ends the work when one has been used; else as `prose`."""
    ending = next((tool for tool in prompt.tools if tool.name in LAST), None)
    if ending is not None and any(message.role == "tool" for message in prompt.messages):
        arguments = instance(ending.parameters or {"type": "object"}, rng, tag=prompt.tag)
        return Utterance(calls=(Call(name=ending.name, arguments=arguments),))
    return prose(prompt, rng)
