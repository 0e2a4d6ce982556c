"""The keys of the LMDB store: short, of bounded width, and in an order that can be walked.

LMDB keys are at most 511 bytes. What callers choose (run, namespace, draw) is therefore hashed;
only a fingerprint stands in its keys as it is, so that they sort as fingerprints do.

Keys of the environment of samples, by sub-database::

    samples     fingerprint 0 index         -> sealed sample
    questions   fingerprint                 -> sealed question
    bought      fingerprint 0 draw          -> sealed index
    memory      N… P… W… as below           -> sealed value

Keys of the environment of claims::

    R run fingerprint h draw    -> index this run gave the draw, and what was remembered before
    R run fingerprint t index   -> the draw that has it: what is taken
    R run fingerprint f index   -> a hint: it was given up
    R run fingerprint s         -> hints: where to look for free indexes
    J run                       -> how many processes joined
    J run owner                 -> number of the process
    L fingerprint index         -> lease
    X fingerprint               -> above every index ever reserved
    Y namespace fingerprint     -> how often a replicate gave an index back to its sisters
    N namespace fingerprint draw    -> index the namespace remembers     (mirrored)
    P namespace fingerprint index   -> replicate it belongs to           (mirrored)
    W namespace                     -> its name                          (mirrored)
    D key                       -> value of the mirrored key, not yet in `memory`
"""

from __future__ import annotations

import functools
import struct
from hashlib import blake2b

from cachesaver.ports import Run

__all__ = [
    "INDEX",
    "bought_key",
    "digest",
    "fingerprint_key",
    "joined_key",
    "lease_key",
    "namespace_key",
    "run_key",
    "sample_key",
    "split_sample_key",
]

INDEX = struct.Struct(">Q")
"""Big-endian, so that keys sort by index."""

_WIDEST = 255
"""Bytes of a fingerprint; those of `identity` have 64."""


@functools.lru_cache(maxsize=4096)
def digest(*parts: str) -> bytes:
    """Return 16 bytes that stand for *parts*, whatever these hold."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return blake2b(
        b"".join(b"%d:%b" % (len(part), part) for part in encoded), digest_size=16
    ).digest()


def _named(run: Run) -> tuple[str, ...]:
    return (run.namespace,) if run.replicate is None else (run.namespace, str(run.replicate))


@functools.lru_cache(maxsize=256)
def run_key(run: Run) -> bytes:
    """Return the prefix of everything one run took."""
    return b"R" + digest(run.id, *_named(run))


def joined_key(run: Run, owner: str | None = None) -> bytes:
    """Return the key of *owner*'s number in a run, or of how many have one."""
    head = b"J" + run_key(run)[1:]
    return head if owner is None else head + digest(owner)


@functools.lru_cache(maxsize=256)
def namespace_key(run: Run) -> bytes:
    """Return the 16 bytes under which a namespace, or one replicate of it, remembers its draws."""
    return digest(*_named(run))


@functools.lru_cache(maxsize=4096)
def fingerprint_key(fingerprint: str) -> bytes:
    """Return *fingerprint* as it stands at the head of keys.

    Raises:
        ValueError: It is empty, longer than 255 bytes, or holds a NUL.
    """
    key = fingerprint.encode("utf-8")
    if not 0 < len(key) <= _WIDEST or 0 in key:
        raise ValueError("a fingerprint has 1 to 255 bytes, and no NUL among them")
    return key


def sample_key(fingerprint: str, index: int) -> bytes:
    """Return the key of a sample."""
    return b"%b\0%b" % (fingerprint_key(fingerprint), INDEX.pack(index))


def split_sample_key(key: bytes) -> tuple[str, int]:
    """Return fingerprint and index of a sample's *key*; undoes `sample_key`.

    Raises:
        ValueError: It is no such key.
    """
    if len(key) <= INDEX.size + 1 or key[-INDEX.size - 1] != 0:
        raise ValueError("no key of a sample")
    return key[: -INDEX.size - 1].decode("utf-8"), INDEX.unpack(key[-INDEX.size :])[0]


def bought_key(fingerprint: str, draw: str) -> bytes:
    """Return the key under which the first purchase for *draw* is kept."""
    return b"%b\0%b" % (fingerprint_key(fingerprint), digest(draw))


def lease_key(fingerprint: str, index: int) -> bytes:
    """Return the key of a slot's lease."""
    return b"L%b%b" % (digest(fingerprint), INDEX.pack(index))
