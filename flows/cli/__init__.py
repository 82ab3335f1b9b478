"""The command line: `reelcat`, one file per command.

Commands read options, call what does the work and say what came of it. What is heavy to import is
imported inside the command that needs it, so that looking things up starts fast.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Be `reelcat`."""
    _have_streams()
    from flows.cli.app import execute

    sys.exit(execute(sys.argv[1:]))


def _have_streams() -> None:
    """Write into nothing where the caller closed stdout or stderr: Python has none then."""
    nothing = Path(os.devnull)
    sys.stdout = sys.stdout or nothing.open("w")
    sys.stderr = sys.stderr or nothing.open("w")
