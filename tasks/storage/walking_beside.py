"""A long walk in a process beside this one, so that listing and comparing share two processors.

Both are Python all through, so threads would only take turns. The process reads folders and nothing
else; it ends with its walk, when it is told to, and when nobody is left who could tell it.

It is no child of `multiprocessing`: those begin by importing all of the program that started them,
which takes longer than walking through a hundred thousand files.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
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
        SourceError: the process was killed, or failed.
    """
    receiving, sending = os.pipe()
    with os.fdopen(receiving, "rb") as pages:
        try:
            process = _started(sending)
        except OSError:  # this machine allows no more of them
            yield from walk.on()
            return
        finally:
            os.close(sending)
        try:
            yield from _received(process, pages, sending, walk)
        finally:
            process.kill()
            process.wait()
            cast("IO[bytes]", process.stdin).close()


def _started(sending: int) -> subprocess.Popen[bytes]:
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with contextlib.suppress(OSError):
            fcntl.fcntl(sending, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return subprocess.Popen(  # noqa: S603 - this very Python, with our own words
        [sys.executable, "-P", "-c", _BEGIN],  # -P: nothing is imported from the current folder
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=(sending,),
        process_group=0,  # Ctrl-C is the parent's to answer
    )


def _received(
    process: subprocess.Popen[bytes], pages: IO[bytes], sending: int, walk: Walk
) -> Iterator[Listing | ListingProblem]:
    try:
        # Left open: that it is closed tells the process that nobody listens any more.
        request = cast("IO[bytes]", process.stdin)
        state = (walk.folders, walk.follow_links, walk.followed)
        for part in (sys.path, sending, walk.root_uri, state):
            pickle.dump(part, request)
        request.flush()
        while (page := _next_page(pages)) != _END:
            yield from map(_listing, page[0])
            yield from page[1]
    except (EOFError, pickle.UnpicklingError, BrokenPipeError) as error:
        ended = "was killed" if process.wait() < 0 else "failed"
        reason = f"the process that listed it {ended}; run it again."
        raise SourceError(displayed(path_of(walk.root_uri)), reason) from error


def _next_page(pages: IO[bytes]) -> _Page:
    page: _Page = pickle.load(pages)  # noqa: S301 - from our own process
    return page


def send() -> None:
    """Be the process: read where to walk, and write what is there."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sending, root_uri, state = (pickle.load(sys.stdin.buffer) for _ in range(3))  # noqa: S301
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    folders, follow_links, followed = state
    walked = Walk(root_uri, folders, follow_links=follow_links, followed=followed).on()
    with os.fdopen(sending, "wb") as pages:
        while page := list(itertools.islice(walked, _PAGE)):
            listings = [tuple(one) for one in page if type(one) is Listing]
            problems = [one for one in page if type(one) is ListingProblem]
            pages.write(pickle.dumps((listings, problems)))
            pages.flush()
        pages.write(pickle.dumps(_END))


def _end_with_the_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing more is written there
    os._exit(0)
