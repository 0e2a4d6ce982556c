"""What a program's environment is told of a gateway beside it."""

from __future__ import annotations

from cachesaver.gateway.environment import FOLLOWED, plan
from cachesaver.gateway.providers import PROVIDERS

URL = "http://127.0.0.1:5"


def test_all_variables_lead_to_the_gateway() -> None:
    told = plan({}).environment(URL, {})

    known = {name for each in PROVIDERS for name in each.variables}
    assert known <= told.keys()
    assert not FOLLOWED.keys() & told.keys()
    assert told["OPENAI_BASE_URL"] == "http://127.0.0.1:5/openai/v1"
    assert told["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:5/anthropic"
    assert told["CACHESAVER_GATEWAY"] == URL


def test_what_is_set_already_still_names_the_provider() -> None:
    set_already = {
        "OPENAI_BASE_URL": "http://localhost:8000/v1",
        "ANTHROPIC_BASE_URL": "https://llm.acme.test",
        "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/",
    }

    made = plan(set_already)
    told = made.environment(URL, set_already)

    assert made.allow == ("localhost:8000", "llm.acme.test", "mine.openai.azure.com")
    assert told["OPENAI_BASE_URL"] == f"{URL}/http/localhost:8000/v1"
    assert told["ANTHROPIC_BASE_URL"] == f"{URL}/https/llm.acme.test"
    assert told["AZURE_OPENAI_ENDPOINT"] == f"{URL}/https/mine.openai.azure.com"
    assert "OPENAI_API_BASE" not in told, "its clients were not meant to call OpenAI either"


def test_what_cannot_be_called_through_a_gateway_is_left_alone() -> None:
    odd = {
        "OPENAI_BASE_URL": "https://x.test?key=1",
        "ANTHROPIC_BASE_URL": "https://user:secret@x.test",
        "CO_API_URL": "x.test",
        "GROQ_BASE_URL": "http://169.254.169.254",
    }

    made = plan(odd)

    assert made.allow == ()
    assert not odd.keys() & made.variables.keys()


def test_no_proxy_is_asked_for_this_machine() -> None:
    told = plan({}).environment(URL, {"NO_PROXY": "x.test,localhost"})

    assert told["NO_PROXY"] == "x.test,localhost,127.0.0.1"
    assert told["no_proxy"] == "127.0.0.1,localhost"
