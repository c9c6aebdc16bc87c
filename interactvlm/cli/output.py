"""Standard output that holds the result and nothing else.

Libraries print while they work; with JSON on standard output that would break the reader.
"""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def chatter_to_stderr() -> Iterator[None]:
    """Whatever is printed inside goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def to_stdout(text: str) -> None:
    """One result, complete."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
