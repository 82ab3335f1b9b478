"""What a process that decodes strangers' films may use: memory, time, and no keys.

A film may be made to take all of a machine, or to run code by a bug of a decoder. So decoding is
done in child processes alone. They begin with an environment in which no key is, and each has a
limit of memory and of processor time that the kernel keeps.
"""

from __future__ import annotations

import io
import os
import resource
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing import context, popen_spawn_posix, process, reduction, resource_tracker, spawn
from multiprocessing import util as mp_util
from typing import Any, ClassVar, Final

#: Describing 8K pictures of HEVC with 10 bits takes 0.9 GiB, which is the most that was measured;
#: the largest pictures that are decoded have twice as many pixels. All else takes 0.1.
MEMORY_BYTES: Final = 2 * 1024**3
#: What a child ends with that met the limit of memory.
OUT_OF_MEMORY: Final = 86
OUT_OF_MEMORY_SENTENCE: Final = (
    f"Looking at the file took more than {MEMORY_BYTES // 1024**3} GiB of memory and was stopped."
)

#: Where programs, temporary files and time zones are, which language is spoken, how Python and the
#: loader begin. Whatever is not named here stays behind, so that a new kind of key does.
_PASSED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TMP", "TEMP", "TZ"),
        *("LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH"),
        *("VIRTUAL_ENV", "MALLOC_ARENA_MAX", "__PYVENV_LAUNCHER__"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONHASHSEED"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "PYTHONWARNINGS"),
    )
)
_PASSED_PREFIX = "LC_"
#: How to get out, for what lies elsewhere; not those that hold a password.
_PROXIES = frozenset(("http_proxy", "https_proxy", "all_proxy", "no_proxy"))


def clean_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what of an environment, by default this process's, a child that decodes may know.

    >>> clean_environment({"PATH": "/bin", "LC_ALL": "C", "WAVESPEED_API_KEY": "secret"})
    {'PATH': '/bin', 'LC_ALL': 'C'}
    """
    return {
        name: value
        for name, value in (os.environ if environment is None else environment).items()
        if name in _PASSED
        or name.startswith(_PASSED_PREFIX)
        or (name.lower() in _PROXIES and "@" not in value)
    }


def proxies_with_passwords() -> dict[str, str]:
    """Return the proxies that `clean_environment` leaves out, for children that read far away."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.lower() in _PROXIES and "@" in value
    }


def limit_resources() -> None:
    """Limit this process's memory for good, and let it leave no image of its memory on the disk.

    Memory is what it may write to (`RLIMIT_DATA`), not what it reserves: decoders and the C library
    reserve many times what they use.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_DATA, MEMORY_BYTES)


def limit_processor_time(seconds: float) -> None:
    """Let this process, and each that it starts, compute for so many seconds from now.

    Whoever waits for it has a limit as well; this one holds when nobody waits any more.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    if most == resource.RLIM_INFINITY or until < most:
        resource.setrlimit(resource.RLIMIT_CPU, (until, most))


def _lower(kind: int, limit: int) -> None:
    """Lower a limit for good; one that is lower already stays, and some systems keep none."""
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    try:
        resource.setrlimit(kind, (limit, limit))
    except (OSError, ValueError):  # macOS takes no limit of memory
        return


class _Popen(popen_spawn_posix.Popen):
    """Starts a child as multiprocessing does, but with an environment of its own.

    That one's environment is this process's, whatever one does: where a child has a clean one only
    later, its first one can still be read.
    """

    _fds: list[int]

    def _launch(self, process_obj: process.BaseProcess) -> None:
        tracker = resource_tracker.getfd()
        if tracker is not None:
            self._fds.append(tracker)
        data = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(spawn.get_preparation_data(process_obj.name), data)
            reduction.dump(process_obj, data)
        finally:
            context.set_spawning_popen(None)
        with ExitStack() as ours, ExitStack() as theirs:
            sentinel, child_w = os.pipe()
            ours.callback(os.close, sentinel)
            theirs.callback(os.close, child_w)
            child_r, parent_w = os.pipe()
            theirs.callback(os.close, child_r)
            ours.callback(os.close, parent_w)
            self._fds.extend([child_r, child_w])
            command = spawn.get_command_line(tracker_fd=tracker, pipe_handle=child_r)
            launched = subprocess.Popen(  # noqa: S603 - this very Python, with our own words
                command,
                executable=spawn.get_executable(),
                env={**clean_environment(), "PYTHONSAFEPATH": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=self._fds,
            )
            # multiprocessing waits for it, and nobody else may.
            launched.returncode = 0
            self.pid = launched.pid
            self.sentinel = sentinel
            theirs.close()
            with open(parent_w, "wb", closefd=False) as pipe:
                pipe.write(data.getbuffer())
            self.finalizer = mp_util.Finalize(self, _close, (sentinel, parent_w))
            ours.pop_all()


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class _Process(context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:  # noqa: N802 - its name in multiprocessing
        return _Popen(process_obj)


class ConfinedContext(context.SpawnContext):
    """Where pools take their processes from: each begins with a clean environment.

    Not fork: the parent has threads, connections, an event loop, and keys in its memory.
    """

    Process: ClassVar[type[_Process]] = _Process
