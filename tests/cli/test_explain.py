"""What `cachesaver explain` says of requests, in files, piped in, or stored."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cachesaver.cli import main
from cachesaver.cli.opening import existing_store

OPENAI = "https://api.openai.com/v1/chat/completions"
HI: dict[str, Any] = {
    "url": OPENAI,
    "headers": {"Authorization": "Bearer sk-made-up"},
    "body": {"model": "m", "user": "me", "messages": [{"role": "user", "content": "Hi"}]},
}


def saved(folder: Path, name: str, request: object) -> str:
    path = folder / name
    path.write_text(request if isinstance(request, str) else json.dumps(request))
    return str(path)


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def fingerprint(lines: list[str]) -> str:
    (found,) = (line.split()[1] for line in lines if line.startswith("fingerprint "))
    return found


def test_one_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["explain", saved(tmp_path, "hi.json", HI)])

    lines = said(capsys)
    assert status == 0
    assert lines[0] == "cachesaver/1 openai.chat POST"
    assert '{"messages":[{"content":"Hi","role":"user"}],"model":"m"}' in lines
    assert any(line.startswith("dropped body.user: ") for line in lines)
    assert len(fingerprint(lines)) == 64
    assert "sk-made-up" not in "\n".join(lines)


def test_the_body_may_be_text_and_the_request_piped_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = json.dumps({**HI, "method": "post", "body": json.dumps(HI["body"])})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped.encode())))

    main(["explain", "-"])
    main(["explain", saved(tmp_path, "hi.json", HI)])

    lines = said(capsys)
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]


def test_two_that_are_the_same_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"url": OPENAI, "body": {**HI["body"], "user": "you", "stream": True}}

    status = main(["explain", saved(tmp_path, "a", HI), saved(tmp_path, "b", other)])

    assert status == 0
    assert said(capsys)[0].startswith("the same question: fingerprint ")


def test_two_that_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"url": OPENAI, "body": {**HI["body"], "temperature": 0.5}}
    one, two = saved(tmp_path, "a", HI), saved(tmp_path, "b", other)

    status = main(["explain", one, two])

    text = "\n".join(said(capsys))
    assert status == 1
    assert "temperature" in text
    assert one in text
    assert two in text


def test_a_stored_question_by_the_head_of_its_fingerprint(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with existing_store(str(filled)) as store:
        (one, question), (other, _) = store.questions()

    status = main(["explain", one[:8], "--store", str(filled)])
    assert (status, said(capsys)[0]) == (0, question.decode().splitlines()[0])
    assert main(["explain", one, other, "--store", str(filled)]) == 1
    assert "Hi" in (text := "\n".join(said(capsys)))
    assert "Bye" in text


def test_a_host_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = saved(tmp_path, "ask.json", {"url": "https://api.acme.test/ask", "body": {"q": "?"}})

    assert main(["explain", ask]) == 2
    assert "--host" in capsys.readouterr().err
    assert main(["explain", ask, "--host", "api.acme.test"]) == 0
    assert said(capsys)[0] == "cachesaver/1 generic POST"


@pytest.mark.parametrize(
    "request_",
    [
        "no JSON",
        "",
        "[]",
        "null",
        '"text"',
        {"url": OPENAI},
        {"body": {}},
        {**HI, "headers": ["a"]},
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
def test_what_is_no_request(
    request_: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["explain", saved(tmp_path, "odd.json", request_)])

    complaint = capsys.readouterr().err
    assert status == 2
    assert "is not a request: it must be JSON such as" in complaint
    assert complaint.count("\n") == 1


def test_what_is_not_there(
    tmp_path: Path, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {
        "nowhere.json": "cannot be read",
        "00000000": "no stored question",
        str(tmp_path): "cannot be read",
    }

    for given, complaint in asked.items():
        assert main(["explain", given, "--store", str(filled)]) == 2
        assert complaint in capsys.readouterr().err


def test_three_are_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *[saved(tmp_path, "a", HI)] * 3]) == 2
    assert "takes one request, or two" in capsys.readouterr().err


def test_what_is_known_and_let_through_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"url": "https://api.openai.com/v1/batches", "body": {"input_file_id": "file-1"}}

    status = main(["explain", saved(tmp_path, "batch.json", asked)])

    told = capsys.readouterr().err
    assert status == 2
    assert "passes through untouched" in told
    assert "a job" in told
    assert "https://platform.openai.com/docs/api-reference/batch" in told
