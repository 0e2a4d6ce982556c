"""vcrpy's ways, on our transports: cassettes of its format, its options, its record modes.

`from cachesaver import vcr` stands for `import vcr`. The project's own `match_on` decides which recorded
request answers, every HTTP request counts, and a cassette is written only where something is recorded.
"""

from cachesaver.vcr.cassette import Cassette
from cachesaver.vcr.cassette import RecordMode as mode  # noqa: N813  # vcrpy's name for it
from cachesaver.vcr.config import VCR, use_cassette
from cachesaver.vcr.errors import UnrecordedRequestError
from cachesaver.vcr.request import Request

__all__ = ["VCR", "Cassette", "Request", "UnrecordedRequestError", "mode", "use_cassette"]
