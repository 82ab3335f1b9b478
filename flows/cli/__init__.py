"""The command line: `reelcat`, one file per command.

Commands read options, call what does the work and say what came of it. What is heavy to import is
imported inside the command that needs it, so that looking things up starts fast.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Be `reelcat`."""
    from flows.cli.output import prepare_streams

    prepare_streams()
    from flows.cli.app import execute
    from flows.cli.output import exit_in_time

    code = execute(sys.argv[1:])
    exit_in_time(code)
    sys.exit(code)
