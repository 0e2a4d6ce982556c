"""One module per HTTP client library: where to hook, and how its messages become ours and back.

Lies at the top of the repository and is imported as `cachesaver.transports`, never otherwise.
"""

if __name__ != "cachesaver.transports":
    raise ImportError(
        f"this package is called 'cachesaver.transports', not {__name__!r}: under another name "
        "every class would exist twice. Import it as cachesaver.transports."
    )
