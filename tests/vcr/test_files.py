"""Cassettes as files: read as vcrpy reads them, written as it reads them, and nothing executed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cachesaver.errors import CassetteError
from cachesaver.vcr.files import (
    JSON,
    YAML,
    CassetteNotFoundError,
    FilesystemPersister,
    deserialize,
    is_missing,
    serialize,
)
from cachesaver.vcr.request import Request, body_of
from vcrs import vcr

CASSETTE = """
version: 1
interactions:
- request:
    body: !!python/object/new:_io.BytesIO
      state: !!python/tuple [!!binary aGk=, 0, null]
    headers:
      ? !!python/object/apply:multidict._multidict.istr [X-Api]
      : [!!python/unicode 'yes']
    method: POST
    uri: https://a.test/x
  response:
    body: {string: 'héllo'}
    headers: {A: ['1', '2']}
    status: {code: 200, message: OK}
- request: {body: null, headers: {}, method: GET, uri: https://a.test/y}
  response:
    body: {string: !!binary /w==}
    headers: {}
    status: {code: 204, message: No Content}
"""


def recorded() -> dict[str, Any]:
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"A": ["1", "2"]},
        "body": {"string": "héllo: 'x'\n".encode()},
    }
    binary = {**response, "body": {"string": b"\xff\x00"}}
    asked = [
        Request("POST", "https://a.test/x", body, {"B": "1"}) for body in (b'{"a": 1}', b"\xff")
    ]
    return {"requests": asked, "responses": [response, binary]}


def test_a_cassette_is_read_with_its_old_tags() -> None:
    requests, responses = deserialize(CASSETTE, YAML)

    assert [(r.method, r.uri, body_of(r), dict(r.headers)) for r in requests] == [
        ("POST", "https://a.test/x", b"hi", {"X-Api": "yes"}),
        ("GET", "https://a.test/y", b"", {}),
    ]
    assert [r["body"]["string"] for r in responses] == ["héllo".encode(), b"\xff"]


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!!python/object:x.Y {}",
    ],
)
def test_no_tag_is_executed(tag: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"version: 1\ninteractions: [{{request: {tag}, response: {{}}}}]\n")

    with pytest.raises(CassetteError, match="no YAML that could be read safely"):
        FilesystemPersister().load_cassette(path, YAML)


def test_vcrpy_reads_what_is_written_and_writes_what_is_read() -> None:
    text = serialize(recorded(), YAML)

    requests, responses = vcr.serialize.deserialize(text, vcr.serializers.yamlserializer)

    assert [request._to_dict() for request in requests] == [
        request._to_dict() for request in recorded()["requests"]
    ]
    assert responses == recorded()["responses"]
    theirs = vcr.serialize.serialize(
        {"requests": requests, "responses": responses}, vcr.serializers.yamlserializer
    )
    assert text == theirs
    assert deserialize(theirs, YAML)[1] == recorded()["responses"]


def test_json_is_vcrpys_and_holds_text_only() -> None:
    told = recorded()
    text = {key: values[:1] for key, values in told.items()}

    assert serialize(text, JSON) == vcr.serialize.serialize(text, vcr.serializers.jsonserializer)
    with pytest.raises(TypeError, match="serializer 'yaml'"):
        serialize(told, JSON)


@pytest.mark.parametrize("name", ["a.yaml", "sub/a.yaml.gz"])
def test_a_cassette_comes_back_from_disk(name: str, tmp_path: Path) -> None:
    persister = FilesystemPersister()

    persister.save_cassette(tmp_path / name, recorded(), YAML)

    assert persister.load_cassette(str(tmp_path / name), YAML)[1] == recorded()["responses"]


def test_more_cassettes_are_read_once_each_and_never_written(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    FilesystemPersister().save_cassette(other, recorded(), YAML)
    before = other.read_bytes()
    persister = FilesystemPersister([str(other), str(other)])

    assert len(persister.load_cassette(one, YAML)[0]) == 2
    persister.save_cassette(one, recorded(), YAML)
    assert len(persister.load_cassette(one, YAML)[0]) == 4
    assert other.read_bytes() == before


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_is_no_cassette(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(content)

    with pytest.raises(CassetteNotFoundError):
        FilesystemPersister().load_cassette(path, YAML)


def test_a_cassette_is_whole_whatever_happens_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a disk that is full, then the cassette is as it was, and nothing lies beside it."""
    path, link = tmp_path / "a.yaml", tmp_path / "link.yaml"
    FilesystemPersister().save_cassette(path, recorded(), YAML)
    path.chmod(0o640)
    link.symlink_to(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(
            "cachesaver.cassettes.files.os", SimpleNamespace(**{**vars(os), "fsync": full})
        )
        with pytest.raises(OSError, match="No space"):
            FilesystemPersister().save_cassette(path, recorded(), YAML)
    assert path.read_bytes() == before

    FilesystemPersister().save_cassette(link, {"requests": [], "responses": []}, YAML)
    assert path.read_bytes() != before
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert {each.name for each in tmp_path.iterdir()} == {"a.yaml", "link.yaml"}


def test_what_is_there_and_cannot_be_read_is_not_missing(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="cannot be read"):
        FilesystemPersister().load_cassette(tmp_path, YAML)
    with pytest.raises(CassetteNotFoundError):
        FilesystemPersister().load_cassette(tmp_path / "a.yaml", YAML)


@pytest.mark.parametrize("content", ["- request: {}\n", "just words", "a: [", "interactions: [{}]"])
def test_what_is_no_cassette_says_where_and_what_to_do(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(content)

    with pytest.raises(CassetteError, match=r"a\.yaml cannot be read(.|\n)*--record-mode=rewrite"):
        FilesystemPersister().load_cassette(path, YAML)


def test_every_vcrpys_way_to_say_that_a_cassette_is_missing_is_understood() -> None:
    class CassetteNotFoundError(ValueError):
        """As vcrpy 5 had it."""

    assert is_missing(vcr.persisters.filesystem.CassetteNotFoundError())
    assert is_missing(CassetteNotFoundError())
    assert not is_missing(ValueError())
