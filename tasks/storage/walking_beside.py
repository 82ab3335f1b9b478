"""A long walk in a process beside this one, so that listing and comparing share two processors.

Both are Python all through, so threads would only take turns. The process reads folders and nothing
else; it ends with its walk, when nobody listens any more, and when it is told to.

It is no child of `multiprocessing`: those begin by importing all of the program that started them,
which takes longer than walking through a hundred thousand files.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import IO, Any, TypeAlias, cast

from catalog.errors import SourceError
from catalog.values import Listing, ListingProblem
from tasks.storage.uris import displayed, path_of
from tasks.storage.walking import Walk

#: What is sent at once.
_PAGE = 500
#: A pipe that holds several pages, where the system allows it: nobody waits for the other's turn.
_PIPE_BYTES = 1 << 20
_BEGIN = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from tasks.storage import walking_beside; walking_beside.send()"
)

#: Listings as plain tuples, at an eighth of the time, and problems. An empty one is the end.
_Page: TypeAlias = tuple[list[tuple[Any, ...]], list[ListingProblem]]
_END: _Page = ([], [])

_listing = partial(tuple.__new__, Listing)


def walk_beside(walk: Walk) -> Iterator[Listing | ListingProblem]:
    """Yield all that is left of a walk, as `Walk.on` does.

    Raises:
        SourceError: the process was killed.
    """
    try:
        process = _started()
    except OSError:  # this machine allows no more of them
        yield from walk.on()
        return
    try:
        yield from _received(process, walk)
    finally:
        process.kill()
        process.wait()


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this very Python, with our own words
        [sys.executable, "-c", _BEGIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pipesize=_PIPE_BYTES,
        process_group=0,  # Ctrl-C is the parent's to answer
    )


def _received(process: subprocess.Popen[bytes], walk: Walk) -> Iterator[Listing | ListingProblem]:
    with cast("IO[bytes]", process.stdout) as receiving:
        try:
            with cast("IO[bytes]", process.stdin) as sending:
                for part in (sys.path, walk.root_uri, walk.folders):
                    pickle.dump(part, sending)
            while (page := _next_page(receiving)) != _END:
                yield from map(_listing, page[0])
                yield from page[1]
        except (EOFError, pickle.UnpicklingError, BrokenPipeError) as error:
            reason = "the process that listed it was killed; run it again."
            raise SourceError(displayed(path_of(walk.root_uri)), reason) from error


def _next_page(receiving: IO[bytes]) -> _Page:
    page: _Page = pickle.load(receiving)  # noqa: S301 - from our own process
    return page


def send() -> None:
    """Be the process: read where to walk, and write what is there."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody listens any more: that is the end
    root_uri, folders = (pickle.load(sys.stdin.buffer) for _ in range(2))  # noqa: S301 - as above
    walked = Walk(root_uri, folders).on()
    with contextlib.closing(sys.stdout.buffer) as sending:
        while page := list(itertools.islice(walked, _PAGE)):
            listings = [tuple(one) for one in page if type(one) is Listing]
            problems = [one for one in page if type(one) is ListingProblem]
            sending.write(pickle.dumps((listings, problems)))
            sending.flush()
        sending.write(pickle.dumps(_END))
