"""One call cold and one warm, each in a process of its own, through what is installed here.

Run by .ci/run with Pythons other than the one the tests run on: does the wheel install, import, and
do the one thing it is for?
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

PROGRAM = """
import cachesaver, openai
cachesaver.install(namespace="smoke")
answer = openai.OpenAI().chat.completions.create(
    model="gpt-4.1-mini", messages=[{"role": "user", "content": "Say something."}]
)
print(answer.choices[0].message.content)
"""


def answer(url: str, store: str) -> str:
    """Run the program once, with its calls led to *url*; return what it printed.

    A complaint at exit does not change the exit status; it counts as a failure here.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "OPENAI_BASE_URL": url,
            "OPENAI_API_KEY": "rehearsal",
            "CACHESAVER_STORE": store,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "Traceback" in done.stderr:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    """Ask twice; the second answer must be the first one, and nobody asked for it."""
    import cachesaver
    from cachesaver.rehearsal import Rehearsal

    print(sys.version.split()[0], cachesaver.__version__, cachesaver.__file__)
    with Rehearsal() as provider, tempfile.TemporaryDirectory() as store:
        cold, warm = (answer(provider.openai_url, store) for _ in range(2))
        asked = provider.calls().samples
    if cold != warm or not cold.strip() or asked != 1:
        sys.exit(f"cold {cold!r}, warm {warm!r}, {asked} sample(s) bought")
    print("one call cold, one warm, one sample bought")


if __name__ == "__main__":
    main()
