"""How many bytes a second uploads may take together."""

from __future__ import annotations

from aiolimiter import AsyncLimiter

#: A wait is not longer than a second's worth, so that a slow line goes evenly.
_SECONDS = 1.0


class Bandwidth:
    """Shared by all uploads of one process; without a number nothing is held back."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._most = bytes_per_second
        self._limiter = (
            None if bytes_per_second is None else AsyncLimiter(bytes_per_second, _SECONDS)
        )

    async def take(self, count: int) -> None:
        """Wait until so many bytes may be sent."""
        if self._limiter is None or self._most is None:
            return
        left = float(count)
        while left > 0:
            part = min(left, self._most)
            await self._limiter.acquire(part)
            left -= part
