"""Processes that bring one catalog up to date at the same time.

In a module of its own beside the tests' servers, where a spawned process finds it by name.
"""

from __future__ import annotations

from contextlib import closing

from catalog import schema
from catalog.database import connect


def deploy(url: str, barrier, answers) -> None:
    """Wait for the others at the barrier, upgrade, and put the revision or the error."""
    try:
        with closing(connect(url)) as catalog:
            barrier.wait(60)
            answers.put(schema.upgrade(catalog))
    except Exception as error:  # noqa: BLE001 - whatever it is fails the test
        answers.put(f"{type(error).__name__}: {error}")
