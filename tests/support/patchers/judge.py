"""What must hold with others about: every call is what it is with them alone, but that we answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchers.probe import CLIENTS, Seen

__all__ = ["ALONE", "NAMES", "ORDERS", "Played", "faults", "sight", "touched"]

ALONE = ("nobody moves", "theirs come", "theirs leave")
"""Without us."""

ORDERS: Mapping[str, tuple[str, ...]] = {
    "theirs first, ours leave first": ("theirs come", "ours come", "ours leave", "theirs leave"),
    "theirs first, they leave first": ("theirs come", "ours come", "theirs leave", "ours leave"),
    "ours first, they leave first": ("ours come", "theirs come", "theirs leave", "ours leave"),
    "ours first, ours leave first": ("ours come", "theirs come", "ours leave", "theirs leave"),
    "ours leave, come again, leave last": (
        *("ours come", "theirs come", "ours leave", "ours come"),
        *("theirs leave", "ours leave"),
    ),
    "ours leave, come again, leave first": (
        *("ours come", "theirs come", "ours leave", "ours come"),
        *("ours leave", "theirs leave"),
    ),
    "they leave, come again, leave last": (
        *("theirs come", "ours come", "theirs leave", "theirs come"),
        *("ours leave", "theirs leave"),
    ),
}
"""What an order is called, and its steps."""

NAMES = (*CLIENTS, "boto3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What `probe` told of one order.

    Attributes:
        seen: Every call.
        left: Attributes of the clients that are not what they were.
        ours: Those of them that have something of ours in them.
    """

    seen: Sequence[Seen]
    left: Sequence[str]
    ours: Sequence[str]


def faults(played: Played, alone: Played) -> Iterator[str]:
    """Iterate what is not as it has to be, one clause each; *alone*: `ALONE` was played."""
    for seen in played.seen:
        live = _alone(seen, alone)
        where = f"{seen.client}, {seen.kind}, after step {seen.step + 1}: "
        if seen.said != (said := _expected(seen, live)):
            yield f"{where}{seen.said}, not {said}"
        if seen.asked != (asked := int(_is_ours(seen, live))):
            yield f"{where}we were asked {seen.asked} times, not {asked}"
        if seen.spans != live.spans and not _is_hit(seen, live):
            yield f"{where}they saw {_told(seen.spans, live.spans)}"
    if more := sorted(set(played.left) - set(alone.left)):
        yield f"left behind: {', '.join(more)}"
    if played.ours:
        yield f"of ours is left: {', '.join(played.ours)}"


def touched(alone: Played) -> tuple[str, ...]:
    """Return the clients of which they see something, or for which they answer."""
    there = [
        seen
        for seen in alone.seen
        if seen.theirs == "there" and (seen.spans or seen.said != "live")
    ]
    return tuple(name for name in NAMES if any(seen.client == name for seen in there))


def sight(client: str, played: Sequence[Played], alone: Played) -> str:
    """Return what they see of a hit through *client*, in all of *played*, as a clause."""
    found = [
        _sight(seen, _alone(seen, alone))
        for each in played
        for seen in each.seen
        if seen.client == client and seen.theirs == "there" and seen.kind == "hit" and seen.ours
    ]
    return "; ".join(dict.fromkeys(found))


def _sight(seen: Seen, live: Seen) -> str:
    if live.said != "live":
        return "their answer" if seen.said == live.said else seen.said
    if seen.spans == live.spans:
        return "as a live call"
    if not seen.spans:
        return "nothing"
    return f"{_names(seen.spans)} of {_names(live.spans)}"


def _told(seen: Sequence[str], live: Sequence[str]) -> str:
    if (here := _names(seen)) != (there := _names(live)):
        return f"{here}, not {there}"
    words, others = ({word for span in spans for word in span.split()} for spans in (seen, live))
    return f"{' '.join(sorted(words - others))}, not {' '.join(sorted(others - words))}"


def _names(spans: Sequence[str]) -> str:
    return " + ".join(span.split(" ", 1)[0] for span in spans) or "nothing"


def _alone(seen: Seen, alone: Played) -> Seen:
    """Return the same call without us."""
    key = (seen.theirs, seen.client, seen.kind)
    return next(each for each in alone.seen if (each.theirs, each.client, each.kind) == key)


def _is_ours(seen: Seen, live: Seen) -> bool:
    return seen.ours and seen.kind != "none of ours" and live.said == "live"


def _is_hit(seen: Seen, live: Seen) -> bool:
    return _is_ours(seen, live) and seen.kind == "hit"


def _expected(seen: Seen, live: Seen) -> str:
    return "stored" if _is_hit(seen, live) else live.said
