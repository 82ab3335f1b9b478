"""Puts into the wheel what lies beside the packages: the migrations, and what `init` writes.

Not into an editable install: there a folder `catalog` in site-packages would hide the real one.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Where each of them is in the wheel.
PLACES = {
    "migrations": "catalog/_migrations",
    "prefect.yaml": "flows/_deploy/prefect.yaml",
    ".env.example": "flows/_deploy/.env.example",
    "deploy/reelcat.service": "flows/_deploy/reelcat.service",
    "deploy/reelcat.timer": "flows/_deploy/reelcat.timer",
    "deploy/crontab": "flows/_deploy/crontab",
}


class FilesInWheel(BuildHookInterface[Any]):
    """Called by hatch before it builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add to what is built; `version` is standard or editable."""
        if version == "standard":
            build_data["force_include"].update(PLACES)
