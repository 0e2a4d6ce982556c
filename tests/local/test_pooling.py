"""A model pools as its files say, from a folder and by its id, or is refused."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

import local_app
from cachesaver.errors import ConfigurationError
from cachesaver.local import UnsupportedModelError
from cachesaver.local.loading import load
from cachesaver.local.pooling import read_habits

CHAIN = ("Transformer", "Pooling", "Normalize")
MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
CLS = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}


def write(folder: Path, pooling: dict[str, Any], kinds: tuple[str, ...] = CHAIN) -> Path:
    """Write what sentence-transformers writes."""
    modules = [
        {"path": f"{at}_{kind}" if at else "", "type": f"sentence_transformers.models.{kind}"}
        for at, kind in enumerate(kinds)
    ]
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the files of `org/little` are, as after a download; the network is not used."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--org--little"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    return repository / "snapshots" / ("a" * 40)


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Generator[str]:
    """Yield the address of a server that answers all with *status*."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("pooling", "kinds", "expected"),
    [
        (CLS, CHAIN, ("cls", True)),
        (MEAN, CHAIN[:2], ("mean", False)),
        ({"pooling_mode": "cls"}, CHAIN, ("cls", True)),
        ({"pooling_mode": ["mean"]}, CHAIN, ("mean", True)),
    ],
)
def test_it_pools_as_the_models_folder_says(
    tmp_path: Path, pooling: Any, kinds: tuple[str, ...], expected: tuple[str, bool]
) -> None:
    assert read_habits(str(write(tmp_path, pooling, kinds))) == (*expected, None, False)


@pytest.mark.parametrize("name", ["sentence_bert_config.json", "sentence_xlm-roberta_config.json"])
@pytest.mark.parametrize("folder", ["", "0_Transformer"])
def test_a_text_may_be_as_long_as_the_models_folder_says(
    tmp_path: Path, name: str, folder: str
) -> None:
    write(tmp_path, MEAN)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = folder
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / name).write_text('{"max_seq_length": 256, "do_lower_case": false}')

    assert read_habits(str(tmp_path)) == ("mean", True, 256, False)


def test_texts_are_written_in_small_letters_where_the_models_folder_says_so(tmp_path: Path) -> None:
    write(tmp_path, MEAN)
    (tmp_path / "sentence_bert_config.json").write_text('{"do_lower_case": true}')

    assert read_habits(str(tmp_path)) == ("mean", True, None, True)


@pytest.mark.parametrize("said", ["x", -1, 0, 7.5, []])
def test_a_length_that_is_none_is_told(tmp_path: Path, said: object) -> None:
    write(tmp_path, MEAN)
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": said}))

    with pytest.raises(ConfigurationError, match="its max_seq_length is"):
        read_habits(str(tmp_path))


@pytest.mark.parametrize(("told", "room"), [(7, 7), (None, 64), (5000, 64)])
def test_what_is_longer_than_that_is_refused(tmp_path: Path, told: int | None, room: int) -> None:
    local_app.bert().save_pretrained(tmp_path)
    local_app.tokenizer().save_pretrained(tmp_path)
    write(tmp_path, MEAN)
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": told}))

    encoder = load(str(tmp_path)).encoder

    assert encoder is not None
    assert encoder.context == room


def test_without_the_files_it_is_the_mean(tmp_path: Path) -> None:
    assert read_habits(str(tmp_path)) == ("mean", True, None, False)


@pytest.mark.parametrize(
    ("pooling", "kinds", "why"),
    [
        ({"pooling_mode_max_tokens": True}, CHAIN, "pooling is max_tokens,"),
        ({"pooling_mode_weightedmean_tokens": True}, CHAIN, "pooling is weightedmean_tokens,"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, CHAIN, "pooling is mean_sqrt_len_tokens,"),
        ({"pooling_mode_lasttoken": True}, CHAIN, "pooling is lasttoken,"),
        ({"pooling_mode": "lasttoken"}, CHAIN, "pooling is lasttoken,"),
        ({**MEAN, "pooling_mode_cls_token": True}, CHAIN, "pooling is mean_tokens, cls_token,"),
        ({}, CHAIN, "pooling is not said,"),
        (MEAN, ("Transformer", "Pooling", "Dense", "Normalize"), "Pooling, Dense, Normalize,"),
        (MEAN, ("Transformer",), "modules are Transformer,"),
        (MEAN, ("CLIPModel",), "modules are CLIPModel,"),
    ],
)
def test_what_it_cannot_do_is_refused(
    tmp_path: Path, pooling: Any, kinds: tuple[str, ...], why: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        read_habits(str(write(tmp_path, pooling, kinds)))


def test_an_id_of_the_hub_gives_the_vectors_of_its_folder(hub: Path, tmp_path: Path) -> None:
    local_app.bert().save_pretrained(hub)
    local_app.tokenizer().save_pretrained(hub)
    write(hub, CLS)
    folder = shutil.copytree(hub, tmp_path / "copy")

    by_id, by_folder = load("org/little").encoder, load(str(folder)).encoder

    assert by_id is not None
    assert by_folder is not None
    assert by_id.embed([[5, 6, 7]]) == by_folder.embed([[5, 6, 7]])


def test_what_is_not_there_offline_is_told(hub: Path, caplog: pytest.LogCaptureFixture) -> None:
    hub.mkdir(parents=True)

    assert read_habits("org/little") == ("mean", True, None, False)
    assert "org/little has no modules.json here" in caplog.text


def test_what_is_known_not_to_be_there_is_told_once_or_not_at_all(
    hub: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a download of a model whose texts are described by a later name, or by none."""
    hub.mkdir(parents=True)
    write(hub, MEAN)
    assert read_habits("org/little").room is None
    assert caplog.text.count("made without") == 1

    caplog.clear()
    (hub / "sentence_xlm-roberta_config.json").write_text('{"max_seq_length": 128}')
    assert read_habits("org/little").room == 128
    assert caplog.text == ""

    (hub / "sentence_xlm-roberta_config.json").unlink()
    absent = hub.parent.parent / ".no_exist" / hub.name
    absent.mkdir(parents=True)
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"):
        (absent / f"sentence_{kind}_config.json").touch()
    assert read_habits("org/little").room is None
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (404, {"X-Error-Code": "EntryNotFound"}, ("mean", True, None, False)),
        (403, {}, None),
        (404, {"X-Error-Code": "RepoNotFound"}, None),
    ],
)
def test_a_hub_that_says_no_is_told_from_one_without_the_file(
    hub: Path, monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str], expected: Any
) -> None:
    hub.mkdir(parents=True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with answering(status, {**headers, "X-Repo-Commit": "a" * 40}) as url:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        if expected is not None:
            assert read_habits("org/little") == expected
            return
        with pytest.raises(ConfigurationError, match="whether it has modules"):
            read_habits("org/little")
