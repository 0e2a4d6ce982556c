"""The keys of the LMDB store: short, of bounded width, and in an order that can be walked.

LMDB keys are at most 511 bytes. What callers choose (run, namespace, draw) is therefore hashed;
only a fingerprint stands in its keys as it is, so that they sort as fingerprints do.

Keys of the environment of samples, by sub-database::

    samples     fingerprint 0 index         -> sealed sample
    questions   fingerprint                 -> sealed question
    bought      fingerprint 0 draw          -> sealed index
    memory      N… A… P… W… as below        -> sealed value

Keys of the environment of claims::

    R run a                     -> how the run ends, and when it was last drawn in
    R run j                     -> how many processes have a number
    R run j owner               -> number of the process
    R run m member              -> its owner: who is in the run
    R run n namespace fingerprint h draw    -> index the draw got, and what was known of it before
    R run n namespace fingerprint t index   -> the draw that has it: what is taken
    R run n namespace fingerprint f index   -> a hint: it was given up
    R run n namespace fingerprint s         -> hints: where to look for free indexes
    L fingerprint index         -> lease
    X fingerprint               -> above every index ever reserved
    Y namespace fingerprint     -> how often a replicate gave an index back to its sisters
    Z namespace fingerprint index   -> how many draws of replicates were given it unfilled
    D fingerprint draw          -> what is not yet in `memory` of its N and A, and when it came
    D fingerprint index         -> what is not yet in `memory` of its P, and when it came
    W namespace                 -> its name, if that is not yet in `memory`

Keys of `memory`, which are what lasts of a namespace::

    N namespace fingerprint draw    -> index the namespace remembers
    A replicate fingerprint draw    -> index the draw was given last, anywhere
    P namespace fingerprint index   -> replicate it belongs to
    W namespace                     -> its name

A namespace is one replicate of it in N and R, and the whole of it in P, W, Y and Z.
"""

from __future__ import annotations

import functools
import struct
from hashlib import blake2b
from typing import NamedTuple

from cachesaver.ports import Run

__all__ = [
    "HEAD",
    "INDEX",
    "RUN_PREFIX",
    "SpaceKeys",
    "bought_key",
    "digest",
    "fingerprint_key",
    "joined_key",
    "lease_key",
    "member_key",
    "run_prefix",
    "sample_key",
    "space_keys",
    "split_sample_key",
]

INDEX = struct.Struct(">Q")
"""Big-endian, so that keys sort by index."""

RUN_PREFIX = 17
"""Bytes of `run_prefix`."""

_WIDEST = 255
"""Bytes of a fingerprint; those of `identity` have 64."""


@functools.lru_cache(maxsize=4096)
def digest(*parts: str) -> bytes:
    """Return 16 bytes that stand for *parts*, whatever these hold."""
    framed = b""
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        framed += b"%d:%b" % (len(encoded), encoded)
    return blake2b(framed, digest_size=16).digest()


@functools.lru_cache(maxsize=256)
def run_prefix(run: str) -> bytes:
    """Return the prefix of everything that is kept of the run with the id *run*."""
    return b"R" + digest(run)


HEAD = 17
"""Bytes with which a key of `memory` begins: what it is, and of whom.

The rest is what follows the D of a key of claims.
"""


class SpaceKeys(NamedTuple):
    """Prefixes of what is kept of a run in one namespace; the digest of a fingerprint follows.

    All but the first are heads of keys of `memory`.
    """

    taken: bytes
    remembered: bytes
    latest: bytes
    replicates: bytes


@functools.lru_cache(maxsize=256)
def space_keys(run: Run) -> SpaceKeys:
    """Return the prefixes of *run*: in one lookup, for all of them are wanted at every draw."""
    own = (run.namespace,) if run.replicate is None else (run.namespace, str(run.replicate))
    return SpaceKeys(
        taken=b"%bn%b" % (run_prefix(run.id), digest(*own)),
        remembered=b"N" + digest(*own),
        latest=b"A" + digest(*own[1:]),
        replicates=b"P" + digest(run.namespace),
    )


def joined_key(prefix: bytes, owner: str | None = None) -> bytes:
    """Return the key of *owner*'s number in the run with *prefix*, or of how many have one."""
    head = prefix + b"j"
    return head if owner is None else head + digest(owner)


def member_key(prefix: bytes, member: str) -> bytes:
    """Return the key of *member* in the run with *prefix*."""
    return b"%bm%b" % (prefix, digest(member))


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
