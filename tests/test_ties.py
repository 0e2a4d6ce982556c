"""Names that clients make up count by their place."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.ties import counted

PATHS = ("turns.*.call.id", "turns.*.result.id")


def made_up() -> str:
    return f"pyd_ai_{uuid.uuid4().hex}"


def turns(*names: object) -> dict[str, Any]:
    """Return calls named *names*, and their results in the opposite order."""
    calls = [{"call": {"id": name, "name": "f"}} for name in names]
    return {"turns": [*calls, *({"result": {"id": name}} for name in reversed(names))]}


def strands() -> str:
    return f"tooluse_{secrets.token_urlsafe(16)}"


def inspects() -> str:
    letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    return f"get_weather_{''.join(secrets.choice(letters) for _ in range(22))}"


@pytest.mark.parametrize("make", [made_up, strands, inspects, lambda: str(uuid.uuid4())])
def test_what_is_made_up_anew_is_the_same(make: Any) -> None:
    one, other = ([make(), make()] for _ in range(2))

    assert counted(turns(*one), PATHS) == counted(turns(*other), PATHS) == (turns([0], [1]), True)


def test_which_names_are_the_same_still_counts() -> None:
    """Given two results in the order of their calls, or in the other, then these are two requests."""
    first, second = made_up(), made_up()
    told = {"turns": [{"call": {"id": first}}, {"call": {"id": second}}]}
    straight = {"turns": [*told["turns"], {"result": {"id": first}}, {"result": {"id": second}}]}
    crossed = {"turns": [*told["turns"], {"result": {"id": second}}, {"result": {"id": first}}]}

    assert counted(straight, PATHS) != counted(crossed, PATHS)


@pytest.mark.parametrize(
    "name",
    [
        "call_e7c5748345018426fc60b50a",
        "adk-4a7b1c2e-0c63-4b69-9a1f-0d6b6cf4b7aa",
        "pyd_ai_tool_call_id__get_weather",
        "PYD_AI_" + "0" * 32,
        "4a7b1c2e-0c63-1b69-9a1f-0d6b6cf4b7aa",
        "4a7b1c2e-0c63-4b69-9a1f-0d6b6cf4b7aa!",
        "f3k9q2ab",
        "get_weather_f3k9q2ab",
        "",
        7,
        None,
        ["4a7b1c2e-0c63-4b69-9a1f-0d6b6cf4b7aa"],
    ],
)
def test_what_may_be_the_providers_is_left(name: object) -> None:
    assert counted(turns(name), PATHS) == (turns(name), False)


def test_elsewhere_a_made_up_name_is_left() -> None:
    """Given such a text where no dialect says that it is a tie, then it is what it says."""
    name = str(uuid.uuid4())
    body: dict[str, object] = {"turns": [{"text": name, "call": name}], "id": name, "call": [name]}

    assert counted(body, PATHS) == (body, False)


def test_the_body_is_left_as_it_is() -> None:
    name = made_up()
    body = turns(name)

    counted(body, PATHS)

    assert body == turns(name)


JSON = st.recursive(
    st.sampled_from([None, True, 7, "", "id", "call_e7c5748345018426fc60b50a"]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["turns", "call", "id"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["turns", "x"]), JSON))
def test_any_body_goes_through(body: dict[str, Any]) -> None:
    assert counted(body, PATHS) == (body, False)
