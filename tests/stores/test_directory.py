# What is planted is planted in few words:
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cachesaver.errors import StoreUnavailableError
from cachesaver.stores import directory
from cachesaver.stores.directory import FORMAT, MARKER, filesystem, prepare, refusal

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /proc rw - proc proc rw
40 22 0:50 / /home rw shared:1 master:2 - nfs4 server:/home rw
41 40 0:51 / /home/me/a\\040b rw - fuse.sshfs host: rw
42 40 0:52 / /home/me/local rw - ext4 /dev/vdb rw
43 42 0:53 / /home/me/local rw - tmpfs tmpfs rw
"""


def test_a_new_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "store")

    assert stat.S_IMODE((tmp_path / "a" / "store").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "store" / MARKER).stat().st_mode) == 0o600


def test_it_is_known_again(tmp_path: Path) -> None:
    prepare(tmp_path)
    before = (tmp_path / MARKER).read_bytes()

    prepare(tmp_path)

    assert (tmp_path / MARKER).read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [MARKER]


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(StoreUnavailableError, match="holds files, but no cachesaver store"):
        prepare(tmp_path)

    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_newer_store_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(json.dumps({"version": FORMAT + 1}))

    with pytest.raises(
        StoreUnavailableError, match=r"newer cachesaver .*pip install -U cachesaver"
    ):
        prepare(tmp_path)


@pytest.mark.parametrize(
    "marker", ["", "{}", "[]", "null", '{"version": "1"}', '{"version": true}']
)
def test_a_marker_that_says_nothing_is_refused(tmp_path: Path, marker: str) -> None:
    (tmp_path / MARKER).write_text(marker)

    with pytest.raises(StoreUnavailableError, match="cannot be read"):
        prepare(tmp_path)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailableError, match="is not a directory"):
        prepare(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_what_may_not_be_written_is_refused_with_what_to_do(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from cachesaver.stores.directory import prepare
if os.geteuid() == 0:
    os.seteuid(65534)  # permissions do not bind root
try:
    prepare(Path(sys.argv[1]) / "store")
except Exception as error:
    print(type(error).__name__, error)
"""
    tmp_path.chmod(0o500)
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True
    )

    assert ended.stdout.startswith("StoreUnavailableError the store directory")
    assert "make it writable for you, or name another directory" in ended.stdout


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/me", "nfs4"),
        ("/homes", "ext4"),
        ("/home/me/a b/x", "fuse.sshfs"),
        ("/home/me/local/x", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)

    assert filesystem(Path(path), mounts=tmp_path / "mountinfo") == kind


def test_where_mounts_are_not_told_the_file_system_is_not_known(tmp_path: Path) -> None:
    assert filesystem(tmp_path, mounts=tmp_path / "none") == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_system_of_a_directory_here_is_known(tmp_path: Path) -> None:
    assert filesystem(tmp_path) != ""


@pytest.mark.parametrize(
    "kind", ["", "ext4", "xfs", "btrfs", "overlay", "tmpfs", "fuseblk", "apfs"]
)
def test_local_file_systems_are_taken(kind: str) -> None:
    assert refusal(kind) == ""


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "lustre", "gpfs", "fuse", "fuse.sshfs", "9p"]
)
def test_file_systems_of_the_network_are_not(kind: str) -> None:
    assert f"of type {kind}" in refusal(kind)
    assert "name a directory on a local disk" in refusal(kind)


def test_a_directory_on_the_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "filesystem", lambda _: "nfs4")

    with pytest.raises(StoreUnavailableError, match="of type nfs4, where LMDB would lose data"):
        prepare(tmp_path)

    assert list(tmp_path.iterdir()) == []
