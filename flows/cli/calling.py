"""How `reelcat` was called, so that commands which are shown can be copied as they stand."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

_NAME = "reelcat"


def called_as() -> str:
    """Write `reelcat` as the caller's shell finds it: by its name if PATH has it, else by path."""
    called = Path(sys.argv[0])
    found = shutil.which(_NAME)
    if called.name != _NAME or (found is not None and Path(found).samefile(called)):
        return _NAME
    below = called.absolute()
    here = Path.cwd()
    return shlex.quote(str(below.relative_to(here) if below.is_relative_to(here) else below))
