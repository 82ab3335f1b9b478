"""Which version of the tables this code needs.

Apart from `catalog.schema`, so that looking at a catalog need not import what upgrades one.
"""

from __future__ import annotations

#: The newest migration; a test compares it with the folder.
HEAD = "0004"
