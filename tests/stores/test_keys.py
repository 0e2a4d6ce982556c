from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.ports import Run
from cachesaver.stores import keys

texts = st.text(st.characters())
runs = st.builds(Run, id=texts, namespace=texts, replicate=st.none() | st.integers(0, 9))
fingerprints = st.text("0123456789abcdef", min_size=1, max_size=64)
indexes = st.integers(0, 2**63)


@given(runs, runs)
def test_runs_share_a_key_only_if_they_are_equal(one: Run, two: Run) -> None:
    assert (keys.space_keys(one).taken == keys.space_keys(two).taken) == (one == two)


@given(runs, runs)
def test_a_namespace_remembers_for_each_replicate_and_all_for_each_number(
    one: Run, two: Run
) -> None:
    ours, theirs = keys.space_keys(one), keys.space_keys(two)

    same_number, same_name = one.replicate == two.replicate, one.namespace == two.namespace
    assert (ours.latest == theirs.latest) == same_number
    assert (ours.replicates == theirs.replicates) == same_name
    assert (ours.remembered == theirs.remembered) == (same_name and same_number)


@given(runs)
def test_all_of_a_run_stands_under_one_prefix(run: Run) -> None:
    prefix = keys.run_prefix(run.id)

    assert len(prefix) == keys.RUN_PREFIX
    assert keys.space_keys(run).taken.startswith(prefix)
    assert keys.joined_key(prefix).startswith(prefix)
    assert keys.member_key(prefix, "m").startswith(prefix)


@given(st.lists(texts), st.lists(texts))
def test_parts_cannot_be_shifted_into_one_another(one: list[str], two: list[str]) -> None:
    assert (keys.digest(*one) == keys.digest(*two)) == (one == two)


@given(fingerprints, indexes, fingerprints, indexes)
def test_samples_sort_by_fingerprint_and_index(a: str, i: int, b: str, j: int) -> None:
    assert (keys.sample_key(a, i) < keys.sample_key(b, j)) == ((a, i) < (b, j))


@given(fingerprints, indexes)
def test_a_samples_key_gives_back_what_it_is_made_of(fingerprint: str, index: int) -> None:
    assert keys.split_sample_key(keys.sample_key(fingerprint, index)) == (fingerprint, index)


@given(runs, texts)
def test_no_key_is_longer_than_lmdb_takes(run: Run, name: str) -> None:
    widest = "f" * 255
    made = [
        keys.sample_key(widest, 2**64 - 1),
        keys.bought_key(widest, name),
        keys.lease_key(widest, 0),
        keys.joined_key(keys.run_prefix(run.id), name),
        keys.member_key(keys.run_prefix(run.id), name),
        keys.space_keys(run).taken + keys.digest(widest) + b"h" + keys.digest(name),
        keys.space_keys(run).remembered + keys.digest(widest) + keys.digest(name),
    ]

    assert max(map(len, made)) <= 511


@given(runs)
def test_keys_of_memory_have_heads_of_one_length(run: Run) -> None:
    assert {len(head) for head in keys.space_keys(run)[1:]} == {keys.HEAD}


@pytest.mark.parametrize("fingerprint", ["", "a\0b", "f" * 256])
def test_what_cannot_stand_in_a_key_is_no_fingerprint(fingerprint: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        keys.fingerprint_key(fingerprint)


@pytest.mark.parametrize("key", [b"", b"\0" * 9, b"a" * 20])
def test_another_key_is_no_samples(key: bytes) -> None:
    with pytest.raises(ValueError, match="no key of a sample"):
        keys.split_sample_key(key)


def test_the_keys_on_disk_are_what_they_were() -> None:
    """A change here makes every store unreadable: raise `directory.FORMAT` with it."""
    assert keys.sample_key("ab", 258) == b"ab\0" + bytes([0, 0, 0, 0, 0, 0, 1, 2])
    assert keys.bought_key("ab", "d").hex() == "616200afc2669954a32cc5ff769e02d6638652"
