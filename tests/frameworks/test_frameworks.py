"""What is said of agent frameworks is what was found; `make frameworks` finds it, outside CI."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from frameworks.catalogue import FOLDERS, ROOT, Framework, frameworks, page_blocks
from frameworks.elsewhere import Elsewhere
from frameworks.playing import play
from frameworks.report import PAGE, rendered

pytestmark = pytest.mark.source_tree

every_framework = pytest.mark.parametrize("framework", frameworks(), ids=lambda each: each.key)


def test_the_table_is_of_what_was_found() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run: make frameworks"


def test_every_folder_is_a_framework() -> None:
    folders = {path.parent.name for path in FOLDERS.glob("*/*") if path.parent.name[0] not in "._"}

    assert folders == {each.key for each in frameworks()}


@every_framework
def test_a_framework_was_found_to_cost_nothing_again(framework: Framework) -> None:
    found = framework.result

    acts = [found.calls, *([found.streamed] if found.streamed else [])]
    assert found.faults == []
    assert [(act["again"], act["fresh"], act["replay"]) for act in acts] == [(0, 0, 0)] * len(acts)
    assert framework.tools == bool(found.tools)
    assert framework.streams == bool(found.streamed)


@every_framework
def test_what_was_found_is_of_the_program_that_is_here(framework: Framework) -> None:
    found = framework.result.program

    assert found == framework.program, f"run: make frameworks ARGS={framework.key}"


@every_framework
def test_the_requirements_of_a_framework_are_lower_bounds(framework: Framework) -> None:
    rows = framework.requirements.read_text(encoding="utf-8").splitlines()

    assert rows
    assert [row for row in rows if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?>=[\w.]+", row)] == []
    assert framework.packages[0] in {re.split(r"\[|>=", row)[0] for row in rows}


@every_framework
def test_a_page_shows_the_agent_that_is_run(framework: Framework) -> None:
    """Given the page of a framework, then a block of Python on it stands in agent.py as it is.

    And each block stands in some agent.py: a page shows nothing that is not run.
    """
    blocks = page_blocks(framework.how_to)
    agents = [each.agent.read_text(encoding="utf-8") for each in frameworks()]

    (shown,) = (each for each in blocks if each in framework.agent.read_text(encoding="utf-8"))
    assert "cachesaver.install(" in shown or not framework.installs
    assert len(shown.splitlines()) > 10
    assert [block for block in blocks if not any(block in agent for agent in agents)] == []


@every_framework
def test_the_how_to_leads_to_each_page(framework: Framework) -> None:
    index = (ROOT / "docs" / "how-to" / "index.md").read_text(encoding="utf-8")

    assert f"({framework.how_to.name})" in index


# --- the harness itself ---

AGENT = """
import json, os, uuid
import cachesaver, requests

cachesaver.install()
requests.post("http://telemetry.test/v1/traces", json={})
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
asked = [{"role": "user", "content": "look around" + NOISE}]
body = {"model": "m", "messages": asked, "tools": [tool]}
said = requests.post(url, json=body).json()["choices"][0]["message"]
messages = [{"calls": said["tool_calls"]}, {"result_of": said["tool_calls"][0]["id"]}]
print(json.dumps({"messages": messages}))
"""


@pytest.mark.parametrize(
    ("noise", "faults"),
    [
        ("''", []),
        (
            "uuid.uuid4().hex",
            [
                "again: 1 calls reached the provider",
                "again: the transcript is another one",
                "fresh: 1 calls reached the provider",
                "fresh: the transcript is another one",
                "replay:",
            ],
        ),
    ],
)
def test_an_agent_is_played(noise: str, faults: list[str], tmp_path: Path) -> None:
    """Given an agent that asks the same in each run, or another thing each time, then it is told."""
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "requirements.txt").write_text("requests>=2\n", encoding="utf-8")
    (folder / "agent.py").write_text(AGENT.replace("NOISE", noise), encoding="utf-8")
    (folder / "requirements.txt").touch()
    framework = Framework(folder=folder, name="Planted", packages=("requests",), streams=False)

    result = play(framework, Path(sys.executable))

    assert [fault.partition(" ended")[0] for fault in result.faults] == faults
    bought = int(bool(faults))
    assert result.calls == {"cold": 1, "again": bought, "fresh": bought, "replay": 0}
    assert result.through == ["requests", "urllib3"]
    assert result.tools == 1
    assert result.elsewhere == ["telemetry.test"]


def test_the_way_out_leads_nowhere_and_is_noted() -> None:
    with Elsewhere() as elsewhere:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": elsewhere.url}))
        with pytest.raises(urllib.error.HTTPError, match="502"):
            opener.open("http://telemetry.test/v1/traces")

        assert elsewhere.taken() == {"telemetry.test"}
        assert elsewhere.taken() == set()
