"""What any bytes may be made of requests and answers: targets for hypothesis and for a fuzzer.

A *target* is a function of bytes that must end without an exception: the parsers may raise what they
promise (DialectError, or None for a form they do not know) and nothing else, and what they make of
a body must hold together, however odd the body is.
"""

from __future__ import annotations

from fuzzing.answers import answers
from fuzzing.requests import requests
from fuzzing.streams import codings, streams

__all__ = ["TARGETS"]

TARGETS = {target.__name__: target for target in (answers, codings, requests, streams)}
