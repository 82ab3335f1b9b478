"""What a process does that takes all it can get.

Not in a file of tests: a new process finds this one by its name, however the tests were started.
"""

from __future__ import annotations

from tasks.media.confinement import limit_processor_time, limit_resources

#: The exit code where the memory is not to be had.
FULL = 7


def take_memory(byte_count):
    limit_resources()
    try:
        taken = bytearray(byte_count)
    except MemoryError:
        raise SystemExit(FULL) from None
    raise SystemExit(0 if len(taken) == byte_count else 1)


def take_time():
    limit_processor_time(0.1)
    while True:
        pass
