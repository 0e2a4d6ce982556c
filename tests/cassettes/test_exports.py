"""What other tools are given can be replayed by them; `make exports` tries every vcrpy, outside CI."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cachesaver.cassettes.exports import WRITERS, har, redacted, vcrpy_json, vcrpy_yaml
from cachesaver.cassettes.readers import Interaction, read
from cachesaver.cassettes.readers.values import Body, interaction
from cachesaver.cassettes.scanning import scan
from cachesaver.errors import ConfigurationError
from exporting import play
from exporting.matrix import CLIENTS, FOUND, PACKAGES, PAGE, export, rendered
from exporting.taped import TOLD


def made(
    *, url: str = "https://a.test/v1", sent: bytes = b"{}", told: bytes = b"{}", **headers: str
) -> Interaction:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return interaction(
        ("POST", url, named, Body(content=sent)), (200, named, Body(content=told), "OK"), place=0
    )


BODIES = [
    b"",
    b"{}",
    "ü 😀\n'\"".encode(),
    b"\x00\xff",
    b"data: 1\n\ndata: 2\n\n",
    b"\xc2\x85 \x0c",
]


@pytest.mark.parametrize("name", ["vcrpy", "har"])
@pytest.mark.parametrize("body", BODIES)
def test_what_is_written_is_read_as_it_was(name: str, body: bytes) -> None:
    exchange = made(sent=body, told=body, content_type="x/y")

    (found,) = read(WRITERS[name]([exchange]), location="a.yaml")

    assert found.request == exchange.request
    assert found.response.body == exchange.response.body
    assert found.response.headers == exchange.response.headers
    assert (found.response.status, found.response.reason) == (200, "OK")


def test_json_of_vcrpy_holds_texts_only() -> None:
    (found,) = read(vcrpy_json([made(told="ü".encode())]), location="a.json")

    assert found.response.body == "ü".encode()
    with pytest.raises(ConfigurationError, match=r"\.yaml"):
        vcrpy_json([made(told=b"\xff")])


@pytest.mark.parametrize("write", [vcrpy_yaml, har], ids=["vcrpy", "har"])
def test_no_credential_is_written(write: Any) -> None:
    """Given a recording of another tool with credentials, then an export has none of them."""
    secrets = [
        "sk-proj-Qm9ndXNLZXlGb3JUZXN0c09ubHk",
        "planted-query-1",
        "planted-user-2",
        "cook-3333",
    ]
    exchange = made(
        url=f"https://{secrets[2]}:pw-444444@a.test/v1?api_key={secrets[1]}&alt=sse",
        sent=json.dumps({"q": secrets[0]}).encode(),
        Authorization=f"Bearer {secrets[0]}",
        cookie=secrets[3],
        set_cookie=secrets[3],
    )

    text = write([exchange]).decode()

    assert not [each for each in (*secrets, "pw-444444") if each in text]
    assert redacted(exchange).request.url == "https://a.test/v1?api_key=redacted&alt=sse"


@pytest.mark.parametrize("write", [vcrpy_yaml, har])
def test_nothing_is_written_that_a_scan_finds(write: Any) -> None:
    """Given secrets in a form, in headers and in the answer of a server of tokens, then all are blanked."""
    secret = "opaqueKEYvalue0123456789abcdef"
    form = f"client_secret={secret}1&grant_type=x&password={secret}2".encode()
    exchanges = [
        made(
            url=f"https://a.test/token?x-amz-signature={secret}0",
            sent=form,
            told=json.dumps({"access_token": f"{secret}3", "id_token": f"{secret}4"}).encode(),
            content_type="application/x-www-form-urlencoded",
            Referer=f"https://u:{secret}5@h.test/",
            X_Upstream=f"Bearer {secret}6",
        ),
        made(
            sent=gzip.compress(json.dumps({"api_key": f"{secret}7"}).encode()),
            content_encoding="gzip",
            told=gzip.compress(json.dumps({"refresh_token": f"{secret}8"}).encode()),
        ),
    ]
    assert len([*scan(vcrpy_yaml_of(exchanges), location="a.yaml")]) >= 8

    written = write(exchanges)

    assert [*scan(written, location="a.yaml")] == []
    assert secret.encode() not in written
    assert b"grant_type=x" in written


def vcrpy_yaml_of(exchanges: list[Interaction]) -> bytes:
    """Return *exchanges* as vcrpy itself would have written them."""
    listed = [
        {
            "request": {
                "method": each.request.method,
                "uri": each.request.url,
                "headers": {name: [value] for name, value in each.request.headers},
                "body": each.request.body,
            },
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {name: [value] for name, value in each.response.headers},
                "body": {"string": each.response.body},
            },
        }
        for each in exchanges
    ]
    return yaml.safe_dump({"version": 1, "interactions": listed}).encode()


def test_an_archive_is_of_har_1_2() -> None:
    log = json.loads(har([made(url="https://a.test/v1?b=c", content_type="x/y")]))["log"]

    assert log["version"] == "1.2"
    (entry,) = log["entries"]
    assert {*entry} == {*("startedDateTime", "time", "request", "response", "cache", "timings")}
    assert entry["request"]["queryString"] == [{"name": "b", "value": "c"}]
    assert entry["request"]["postData"] == {"mimeType": "x/y", "text": "{}"}
    assert {"send", "wait", "receive"} == {*entry["timings"]}


def test_without_pyyaml_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ConfigurationError, match=r"cachesaver\[yaml\]"):
        vcrpy_yaml([made()])


@pytest.mark.parametrize("client", ["requests", "httpx", "openai"])
def test_the_installed_vcrpy_replays_an_export(client: str, tmp_path: Path) -> None:
    """Given vcrpy that matches by body, too, then each client is told what was recorded."""
    exported = tmp_path / "exported.yaml"
    exported.write_bytes(export(tmp_path / "a.cassette"))

    done = subprocess.run(
        [sys.executable, str(play.__file__), str(exported), client],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == TOLD


@pytest.mark.source_tree
def test_the_table_is_of_what_was_found() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = json.loads(FOUND.read_bytes())

    assert rendered(page, found) == page, "run: make exports"
    assert {*found} == {*PACKAGES}


@pytest.mark.source_tree
def test_vcrpy_6_to_9_replay_an_export() -> None:
    found = json.loads(FOUND.read_bytes())

    told = {(v, client): found[v][client] for v in "6789" for client in CLIENTS}
    assert set(told.values()) == {"yes"}, told


def test_yaml_is_spelled_as_vcrpy_spells_it() -> None:
    """Given what vcrpy writes itself, then ours has the same members of the same types."""
    told = yaml.safe_load(vcrpy_yaml([made(told=b"\xff", content_type="x/y")]))

    (each,) = told["interactions"]
    assert told["version"] == 1
    assert each["request"] == {
        "body": "{}",
        "headers": {"content-type": ["x/y"]},
        "method": "POST",
        "uri": "https://a.test/v1",
    }
    assert each["response"]["body"] == {"string": b"\xff"}
    assert each["response"]["status"] == {"code": 200, "message": "OK"}
