"""Who answers agents: as the rehearsal's `prose`, which calls the tools that a user's message names.

Frameworks that do not leave calls of tools to the provider's API have formats of their own; what is
needed of them is spoken here.
"""

from __future__ import annotations

import re
from random import Random

from cachesaver.rehearsal import Call, Prompt, Utterance
from cachesaver.rehearsal.schemas import instance
from cachesaver.rehearsal.voices import prose

__all__ = ["agreeable"]

LAST = ("final_answer", "finish", "submit")
"""Tools that end a conversation: called when another one has given its result."""

_OUTPUTS = re.compile(r"Your output fields are:\n(.*?)\nAll interactions", re.DOTALL)
_FIELD = re.compile(r"^\d+\. `(\w+)`", re.MULTILINE)


def agreeable(prompt: Prompt, rng: Random) -> Utterance:
    """Call the tool that ends the work when one has been used; else as `prose`."""
    if (fields := _dspy_fields(prompt)) and not prompt.tools:
        return Utterance(text=_dspy(prompt, rng, fields))
    ending = next((tool for tool in prompt.tools if tool.name in LAST), None)
    if ending is not None and any(message.role == "tool" for message in prompt.messages):
        arguments = instance(ending.parameters or {"type": "object"}, rng, tag=prompt.tag)
        return Utterance(calls=(Call(name=ending.name, arguments=arguments),))
    return prose(prompt, rng)


# --- DSPy's chat format: https://dspy.ai/learn/programming/adapters/


def _dspy_fields(prompt: Prompt) -> list[str]:
    """Return the fields that a prompt in DSPy's chat format asks for; none where it is no such."""
    outputs = _OUTPUTS.search(prompt.messages[0].text if prompt.messages else "")
    return _FIELD.findall(outputs[1]) if outputs else []


def _dspy(prompt: Prompt, rng: Random, fields: list[str]) -> str:
    """Say *fields*: a call of the weather first, the end when there is an observation."""
    seen = "observation_0" in prompt.text
    said = {
        "next_tool_name": "finish" if seen else "get_weather",
        "next_tool_args": "{}" if seen else f'{{"city": "[{prompt.tag}]"}}',
    }
    parts = [f"[[ ## {name} ## ]]\n{said.get(name) or prose(prompt, rng).text}" for name in fields]
    return "\n\n".join([*parts, "[[ ## completed ## ]]\n"])
