"""What is true: rules, records and reads of the catalog.

Owns money, states, tables and queries. Opens no network connection, knows neither Prefect nor
FFmpeg, and imports nothing from `tasks` or `flows`.
"""

from __future__ import annotations

#: The newest migration, which this code needs; a test compares it with the folder.
HEAD = "0005"
