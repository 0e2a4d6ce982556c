"""An interaction with Gemini and the events it is streamed as, each made of the other.

https://ai.google.dev/gemini-api/docs/interactions/streaming has the order of events; the types of
the google-genai package have their fields. What a delta adds is only guessed at nowhere: two pieces
of which it is not known whether they are one are refused, in either direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object, read_json, write_json
from cachesaver.errors import DialectError

__all__ = ["NAME", "completed_in", "events_of", "interaction_of"]

NAME = "gemini.interactions"

_MEDIA = frozenset({"image", "audio", "video", "document"})
"""Contents of a model's output that are streamed as deltas of the same form."""

_NOT_IN_WHOLE = frozenset({"interaction.created", "interaction.status_update", "step.stop"})
"""Events that say nothing which the interaction does not say at its end."""

_TOLD_LATER = ("arguments", "result", "is_error", "signature")
"""Fields of a step of a tool that runs on the server: they come as a delta of the step's type."""

_TOLD_TWICE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mcp_server_tool_call": ("name", "server_name"),
        "mcp_server_tool_result": ("name", "server_name"),
    }
)
"""Fields that both the beginning of a step and its delta have."""

_PLAIN = frozenset({"type", "text"})


def interaction_of(events: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return the interaction that *events* tell.

    Raises:
        DialectError: They break off, hold an error, or something that cannot be merged for sure.
    """
    told, steps = list(events), dict[int, _Step]()
    for event in told:
        kind, index = event.get("event_type"), event.get("index")
        if kind == "step.start" and isinstance(index, int) and index not in steps:
            steps[index] = _Step(event.get("step"))
        elif kind == "step.delta" and isinstance(index, int) and index in steps:
            steps[index].add(event.get("delta"))
        elif kind not in (*_NOT_IN_WHOLE, "interaction.completed"):
            _refuse("an event of the stream is not understood")
    completed = completed_in(told)
    if completed.get("steps"):
        return completed
    return {**completed, "steps": [steps[index].finished() for index in sorted(steps)]}


def completed_in(events: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Return the interaction as the last of *events* has it, which may be without its steps.

    Raises:
        DialectError: They break off or hold an error.
    """
    last: Mapping[str, object] = {}
    for event in events:
        if event.get("event_type") == "error" or "error" in event:
            _refuse("the stream holds an error")
        last = event
    interaction = last.get("interaction")
    if last.get("event_type") != "interaction.completed" or not is_object(interaction):
        _refuse("the stream breaks off")
    return interaction


def events_of(interaction: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the events that tell *interaction*: `interaction_of` makes it of them again.

    Raises:
        DialectError: It is not a complete interaction, or has what is streamed in an unknown way.
    """
    steps = interaction.get("steps")
    if not is_list(steps) or not isinstance(interaction.get("status"), str):
        _refuse("an interaction has steps and a status")
    begun = {name: interaction[name] for name in _AT_ONCE if name in interaction}
    begun["status"] = "in_progress"
    last = {name: value for name, value in interaction.items() if name != "steps"}
    events: list[dict[str, object]] = [
        {"event_type": "interaction.created", "interaction": begun},
        {
            "event_type": "interaction.status_update",
            "interaction_id": interaction.get("id"),
            "status": "in_progress",
        },
        *(event for index, step in enumerate(steps) for event in _step_events(index, step)),
        {"event_type": "interaction.completed", "interaction": last},
    ]
    if not _same(interaction_of(events)["steps"], steps):
        _refuse("a step is streamed in a way that is not known")
    return events


_AT_ONCE = ("id", "model", "object")
"""What an interaction tells when it begins: recorded exchanges."""


class _Step:
    """A step being read."""

    def __init__(self, begun: object) -> None:
        if not is_object(begun) or not isinstance(begun.get("type"), str):
            _refuse("a step is not an object with a type")
        self._step = dict(begun)
        self._given = set[str]()
        self._lists = dict[str, list[dict[str, object]]]()
        self._json: list[str] = []

    def add(self, delta: object) -> None:
        kind = delta.get("type") if is_object(delta) else None
        if not is_object(delta):
            _refuse("a delta is not an object")
        match self._step["type"], kind:
            case ("model_output", "text") if delta.keys() == _PLAIN:
                self._append_text(delta["text"])
            case ("model_output", "text_annotation_delta"):
                self._annotate(delta.get("annotations"))
            case ("model_output", str() as medium) if medium in _MEDIA:
                self._append("content", delta)
            case ("thought", "thought_summary") if is_object(content := delta.get("content")):
                self._append("summary", content)
            case ("thought", "thought_signature"):
                self._give({"signature": delta.get("signature")})
            case ("function_call", "arguments_delta") if isinstance(
                piece := delta.get("arguments"), str
            ):
                self._json.append(piece)
            case (itself, told) if itself == told:
                self._give({name: value for name, value in delta.items() if name != "type"})
            case _:
                _refuse("a delta does not fit its step")

    def finished(self) -> dict[str, object]:
        if text := "".join(self._json).strip():
            arguments = read_json(text, dialect=NAME)
            self._give(
                {"arguments": arguments if is_object(arguments) else _refuse("no arguments")}
            )
        return {**self._step, **self._lists}

    def _append_text(self, text: object) -> None:
        items = self._items("content")
        last = items[-1] if items else {}
        if not isinstance(text, str):
            _refuse("a text is not a text")
        if last.get("type") != "text":
            items.append({"text": text, "type": "text"})
        elif last.keys() == _PLAIN:
            last["text"] = f"{last['text']}{text}"
        else:
            _refuse("a text goes on after its annotations")

    def _annotate(self, annotations: object) -> None:
        items = self._items("content")
        if not is_list(annotations) or not items or items[-1].get("type") != "text":
            _refuse("annotations belong to no text")
        before = items[-1].setdefault("annotations", [])
        items[-1]["annotations"] = [*before, *annotations] if is_list(before) else annotations

    def _append(self, name: str, item: dict[str, object]) -> None:
        """Add *item*, unless it may be the next piece of the one before."""
        items = self._items(name)
        if items and items[-1].get("type") == item.get("type"):
            _refuse("two contents of a kind may be one in pieces")
        items.append(dict(item))

    def _items(self, name: str) -> list[dict[str, object]]:
        """Return the list *name* of the step; it may not have been begun with something in it."""
        if self._step.get(name):
            _refuse("a step is begun with contents that are told again")
        return self._lists.setdefault(name, [])

    def _give(self, fields: Mapping[str, object]) -> None:
        for name, value in fields.items():
            if name in self._given or (self._step.get(name) and not _same(self._step[name], value)):
                _refuse("a field of a step is told twice")
            self._given.add(name)
            self._step[name] = value


def _step_events(index: int, step: object) -> Iterator[dict[str, object]]:
    if not is_object(step):
        _refuse("a step is not an object")
    opening, deltas = _taken_apart(step)
    yield {"event_type": "step.start", "index": index, "step": opening}
    for delta in deltas:
        yield {"event_type": "step.delta", "index": index, "delta": delta}
    yield {"event_type": "step.stop", "index": index}


def _taken_apart(step: dict[str, object]) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return *step* as it is at its start, and the deltas that complete it."""
    match step:
        case {"type": "model_output", "content": content} if is_list(content) and content:
            return _without(step, "content"), [each for item in content for each in _told(item)]
        case {"type": "thought"}:
            later = [name for name in ("summary", "signature") if step.get(name)]
            return _without(step, *later), [*_thought(step)]
        case {"type": "function_call", "arguments": given} if is_object(given):
            text = write_json(given, dialect=NAME).decode()
            return {**step, "arguments": {}}, [{"type": "arguments_delta", "arguments": text}]
        case {"type": str() as kind} if kind.endswith(("_call", "_result")):
            told = {name: step[name] for name in _TOLD_LATER if name in step}
            twice = {name: step[name] for name in _TOLD_TWICE.get(kind, ()) if name in step}
            return _without(step, *told), [{"type": kind, **told, **twice}]
        case _:
            return step, []


def _thought(step: Mapping[str, object]) -> Iterator[dict[str, object]]:
    summary = step.get("summary")
    for content in summary if is_list(summary) else ():
        yield {"type": "thought_summary", "content": content}
    if step.get("signature"):
        yield {"type": "thought_signature", "signature": step["signature"]}


def _told(content: object) -> Iterator[dict[str, object]]:
    """Iterate the deltas of one of the contents of a model's output."""
    if not is_object(content):
        _refuse("a content is not an object")
    if content.get("type") != "text":
        yield content
        return
    yield {"type": "text", "text": content.get("text")}
    if "annotations" in content:
        yield {"type": "text_annotation_delta", "annotations": content["annotations"]}


def _same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:  # nested as deep as it could just be read
        return False


def _without(step: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in step.items() if name not in names}


def _refuse(why: str) -> NoReturn:
    """Raise a DialectError of this dialect."""
    raise DialectError(why, dialect=NAME)
