"""What is recorded goes into the file at once, in a thread that is nobody's event loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from cachesaver.cassettes.answers import answer_of, question_members
from cachesaver.cassettes.files import append, put_in_order
from cachesaver.cassettes.format import Document, document, without_answers
from cachesaver.exchange import Sample
from cachesaver.locks import Lock

__all__ = ["Recorder"]


class Recorder:
    """Records into the cassette at *path*; makes neither file nor thread before there is something.

    Args:
        path: Of the file.
        outdated: By fingerprint, what stands in it and is to go where its question is recorded anew.
        clients: Tells the versions of what this is recorded with, when it is known.
    """

    def __init__(
        self,
        path: Path,
        outdated: Mapping[str, Document],
        clients: Callable[[], Mapping[str, str]],
    ) -> None:
        self._path = path
        self._outdated = outdated
        self._clients = clients
        self._recorded = set[str]()
        self._bought = set[str]()
        self._writer: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        self._closing = Lock()

    @property
    def recorded(self) -> frozenset[str]:
        """The fingerprints of what was recorded, answers and errors."""
        with self._closing:
            return frozenset(self._recorded)

    def answered(
        self, fingerprint: str, question: bytes, index: int, sample: Sample
    ) -> Future[Sample]:
        """Add *sample* as the answer at *index*; the future gives it when it is on disk."""
        members = {"index": index, **answer_of(sample)}
        added = document(fingerprint, question_members(question), [members])
        with self._closing:
            self._bought.add(fingerprint)
            return self._append(added, sample)

    def refused(self, fingerprint: str, question: bytes, sample: Sample) -> Future[Sample]:
        """Add *sample* as an error of the provider; the future gives it when it is on disk."""
        added = document(fingerprint, question_members(question), [], [answer_of(sample)])
        with self._closing:
            return self._append(added, sample)

    def close(self) -> None:
        """Set the file in order, where something was recorded. Safe to call twice."""
        with self._closing:
            writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.shutdown()
        put_in_order(self._path, self._clients(), self._replaced())

    def _append(self, added: Document, sample: Sample) -> Future[Sample]:
        self._recorded.add(added.fingerprint)
        if self._writer is None or self._process != os.getpid():  # a fork has no threads
            self._writer = ThreadPoolExecutor(1, "cachesaver-cassette")
            self._process = os.getpid()
        return self._writer.submit(self._written, added, sample)

    def _written(self, added: Document, sample: Sample) -> Sample:
        append(self._path, (added,))
        return sample

    def _replaced(self) -> dict[str, Document]:
        """Return what was recorded anew; where nothing was bought, its answers stay."""
        return {
            key: each if key in self._bought else without_answers(each)
            for key, each in self._outdated.items()
            if key in self._recorded
        }
