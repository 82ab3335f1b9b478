"""Lending: boto3's variables of `.env`, put where boto3 looks for them.

It takes them from the environment, which child processes share; what was put there is remembered,
so that nobody takes it for what the user had set.
"""

from __future__ import annotations

import os

from catalog.errors import SettingsError
from flows.folder_files import FolderFiles
from flows.secret_routes import bucket_loans, bucket_trouble

#: What was put into the environment for boto3, so that it is not taken for the user's own.
_lent: dict[str, str] = {}


def lend_to_boto3(files: FolderFiles) -> None:
    """Put boto3's variables of `.env` where it looks for them, below what is set there.

    Raises:
        SettingsError: the user's credentials would be used at an endpoint that `.env` names.
    """
    loans = bucket_loans(own_environment(), files.variables)
    trouble = bucket_trouble(loans)
    if trouble is not None:
        raise SettingsError(f"{trouble}.")
    for name, value in list(_lent.items()):
        if os.environ.get(name) == value:
            del os.environ[name]
        del _lent[name]
    os.environ.update(loans)
    _lent.update(loans)


def own_environment() -> dict[str, str]:
    """Give the environment without what was lent to boto3."""
    return {name: value for name, value in os.environ.items() if _lent.get(name) != value}
