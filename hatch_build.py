"""Puts the migrations into the wheel, below `catalog`.

Not into an editable install: there a folder `catalog` in site-packages would hide the real one.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class MigrationsInWheel(BuildHookInterface[Any]):
    """Called by hatch before it builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add to what is built; `version` is standard or editable."""
        if version == "standard":
            build_data["force_include"]["migrations"] = "catalog/_migrations"
