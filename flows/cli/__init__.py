"""The command line: `reelcat`, one file per command.

Commands read options, call what does the work and say what came of it. What is heavy to import is
imported inside the command that needs it, so that looking things up starts fast.
"""

from __future__ import annotations

import gc
import sys

#: So many objects are made before Python looks for circles among them: to import makes many, and
#: none of them is garbage.
_COLLECT_AFTER = 50_000


def main() -> None:
    """Be `reelcat`."""
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    from flows.cli.output import prepare_streams

    prepare_streams()
    from flows.cli.app import execute
    from flows.cli.output import exit_in_time

    code = execute(sys.argv[1:])
    exit_in_time(code)
    sys.exit(code)
