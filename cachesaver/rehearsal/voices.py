"""The voices for every purpose, and what a voice owes to tools and schemas."""

from __future__ import annotations

from random import Random

from cachesaver.rehearsal.schemas import instance
from cachesaver.rehearsal.values import Call, Prompt, Tool, Utterance, dumps

__all__ = ["comply", "echo", "prose"]

_WORDS = (
    *("the", "tree", "light", "river", "stone", "under", "seven", "quiet", "birds", "carry"),
    *("old", "letters", "across", "winter", "fields", "while", "someone", "counts", "slow"),
    *("trains", "and", "forgets", "which", "number", "came", "before", "another", "morning"),
)


def comply(prompt: Prompt, rng: Random) -> Utterance | None:
    """Return the tool call or the JSON that *prompt* insists on; None where it leaves a choice.

    A tool is called when `tool_choice` forces one, or when the user's last message names one.
    """
    if (tool := _demanded(prompt)) is not None:
        arguments = instance(tool.parameters or {"type": "object"}, rng, tag=prompt.tag)
        return Utterance(calls=(Call(name=tool.name, arguments=arguments),))
    if prompt.schema is not None:
        return Utterance(text=dumps(instance(prompt.schema, rng, tag=prompt.tag)))
    return None


def _demanded(prompt: Prompt) -> Tool | None:
    named = {tool.name: tool for tool in prompt.tools}
    if prompt.forced is not None:
        return named.get(prompt.forced, next(iter(prompt.tools), None))
    if not prompt.messages or prompt.messages[-1].role != "user":
        return None
    return next((tool for name, tool in named.items() if name in prompt.text), None)


def prose(prompt: Prompt, rng: Random) -> Utterance:
    """Say 8 to 60 random words after the sample's tag."""
    if (owed := comply(prompt, rng)) is not None:
        return owed
    length = 8 + min(int(rng.expovariate(1 / 12)), 52)
    words = " ".join(rng.choice(_WORDS) for _ in range(length))
    return Utterance(text=f"[{prompt.tag}] {words}.")


def echo(prompt: Prompt, rng: Random) -> Utterance:
    """Repeat the last message after the sample's tag."""
    return comply(prompt, rng) or Utterance(text=f"[{prompt.tag}] {prompt.text}")
