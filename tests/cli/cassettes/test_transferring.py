"""Bringing recordings in and out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import cachesaver
from cachesaver.cassettes.transfer import add_to_cassette, answers_in, errors_in
from cachesaver.cli import main
from cachesaver.exchange import Response
from recorded import KEY, vcrpy


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.yaml"
    path.write_bytes(vcrpy("Ada", "Grace"))
    return path


def test_an_import_says_what_it_kept_and_what_not(
    yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cassette = yaml.with_suffix(".cassette")

    status = main(["cassette", "import", str(yaml), str(cassette)])

    said = capsys.readouterr().out.splitlines()
    assert status == 0
    assert said[0] == f"{yaml} -> {cassette}: 2 answers to 2 questions, 2 of them new"
    assert said[1] == (
        "  kept out: interaction 2, line 42: POST https://search.test/find: "
        "no provider call we know; name its host to keep it"
    )
    assert KEY not in cassette.read_text()


def test_again_adds_nothing(yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cassette = yaml.with_suffix(".cassette")
    main(["cassette", "import", str(yaml), str(cassette)])
    before = cassette.read_bytes()

    main(["cassette", "import", str(yaml), str(cassette)])

    assert capsys.readouterr().out.count("2 of them new\n") == 1
    assert cassette.read_bytes() == before


def test_a_host_that_is_named_is_kept(yaml: Path) -> None:
    cassette = yaml.with_suffix(".cassette")

    main(["cassette", "import", str(yaml), str(cassette), "--host", "search.test"])

    assert len(list(answers_in(cassette))) == 3


def test_what_is_imported_answers_the_question(yaml: Path) -> None:
    """Given an imported cassette, when the SDK asks in the other order, then each gets its own."""
    from openai import OpenAI

    cassette = yaml.with_suffix(".cassette")
    main(["cassette", "import", str(yaml), str(cassette)])

    def ask(client: OpenAI, text: str) -> str | None:
        message = {"role": "user", "content": text}
        answer = client.chat.completions.create(model="gpt-5-mini", messages=[message])  # type: ignore[list-item]  # a plain dictionary
        return answer.choices[0].message.content

    with (
        cachesaver.use_cassette(cassette, record_mode="none") as used,
        OpenAI(api_key="none", base_url="https://api.openai.com/v1") as client,
    ):
        assert [ask(client, text) for text in ("Grace", "Ada")] == ["Hello Grace", "Hello Ada"]
    assert used.all_played


@pytest.fixture
def refused(yaml: Path) -> Path:
    """A cassette of two answers, one of them after an error, and of a question with an error only."""
    path = yaml.with_name("refused.cassette")
    main(["cassette", "import", str(yaml), str(path)])
    answers = list(answers_in(path))
    errors = [
        replace(each, sample=replace(each.sample, response=Response(status=status)))
        for each, status in zip(answers, (429, 500), strict=True)
    ]
    path.unlink()
    add_to_cassette(path, answers[:1], errors)
    return path


def test_errors_that_were_recorded_are_imported_too(
    refused: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = refused.with_name("folder")
    folder.mkdir()
    shutil.copy(refused, folder)
    capsys.readouterr()

    assert main(["cassette", "import", str(refused), str(refused.with_name("b.cassette"))]) == 0
    assert main(["cassette", "import", str(folder), str(refused.with_name("new"))]) == 0

    told = "1 answer and 2 errors to 2 questions, 3 of them new"
    first, _, last = capsys.readouterr().out.splitlines()
    assert first == f"{refused} -> {refused.with_name('b.cassette')}: {told}"
    assert last == "1 answer and 2 errors of 1 recording"
    for copy in (refused.with_name("b.cassette"), refused.parent / "new" / refused.name):
        assert copy.read_bytes() == refused.read_bytes()


def test_a_cassette_of_errors_only_is_imported(refused: Path, tmp_path: Path) -> None:
    only, copy = tmp_path / "only.cassette", tmp_path / "copy.cassette"
    add_to_cassette(only, [], errors_in(refused))

    assert main(["cassette", "import", str(only), str(copy)]) == 0

    assert [each.sample.response.status for each in errors_in(copy)] == [429, 500]


def test_errors_are_exported_but_not_into_a_store(
    refused: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"

    main(["cassette", "export", str(refused), str(target)])
    main(["cassette", "export", str(refused), str(tmp_path / "pool"), "--format", "store"])

    told = json.loads(target.read_text())["interactions"]
    assert sorted(each["response"]["status"]["code"] for each in told) == [200, 429, 500]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "  kept out: 2 errors: a store keeps none"


def test_a_folder_becomes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "old", tmp_path / "new"
    (source / "test_chat").mkdir(parents=True)
    (source / "test_chat" / "test_one[a].yaml").write_bytes(vcrpy("Ada"))
    (source / "test_chat" / "test_two.v1.yml").write_bytes(vcrpy("Ada", "Grace"))
    (source / "fixture.json").write_text('{"no": "recording"}')

    status = main(["cassette", "import", str(source), str(target)])

    assert status == 0
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*.*")) == [
        str(Path("test_chat") / "test_one[a].cassette"),
        str(Path("test_chat") / "test_two.v1.cassette"),
    ]
    assert capsys.readouterr().out.splitlines()[-1] == "3 answers of 2 recordings"
    assert main(["cassette", "import", str(source), str(source / "fixture.json")]) == 2


def test_nothing_to_keep_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(vcrpy())

    status = main(["cassette", "import", str(path), str(tmp_path / "a.cassette")])

    assert status == 1
    assert "no answer to keep" in capsys.readouterr().out
    assert not (tmp_path / "a.cassette").exists()


def test_a_store_and_a_cassette_become_each_other(filled: Path, tmp_path: Path) -> None:
    """Given a store that a session filled, when it goes through a cassette, then it is the same."""
    one, other = tmp_path / "one.cassette", tmp_path / "other.cassette"
    store = tmp_path / "store"

    assert main(["cassette", "import", str(filled), str(one)]) == 0
    assert main(["cassette", "export", str(one), str(store), "--format", "store"]) == 0
    assert main(["cassette", "export", str(one), str(store)]) == 0
    assert main(["cassette", "import", str(store), str(tmp_path)]) == 0
    assert main(["cassette", "import", str(store), str(other)]) == 0

    assert len(list(answers_in(one))) == 3
    assert one.read_bytes() == other.read_bytes() == (tmp_path / "store.cassette").read_bytes()


@pytest.mark.parametrize("target", ["out.yaml", "out.json", "out.har", "folder/out.yml"])
def test_an_export_asks_the_same_when_it_is_read(
    target: str, yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cassette, back = yaml.with_suffix(".cassette"), yaml.with_name("back.cassette")
    main(["cassette", "import", str(yaml), str(cassette)])

    status = main(["cassette", "export", str(cassette), str(yaml.parent / target)])

    said = capsys.readouterr().out.splitlines()
    assert status == 0
    assert said[-1] == "  lossy: the request is its question in canonical form (2 interactions)"
    main(["cassette", "import", str(yaml.parent / target), str(back)])
    assert main(["cassette", "diff", str(cassette), str(back)]) == 0


def test_a_store_is_exported_too(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.har"

    assert main(["cassette", "export", str(filled), str(target)]) == 0

    assert target.read_bytes().count(b"chat.completion") == 3


def test_a_target_that_cannot_be_written_is_said(
    yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["cassette", "export", str(yaml), str(yaml / "below" / "a.har")])

    assert status == 2
    assert "cannot be written" in capsys.readouterr().err
