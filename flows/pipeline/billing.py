"""Billing: book what the provider says that ended predictions cost, also while a run buys.

A bill without a line is believed only if it is seen to work: it must show another prediction, and
the one that it showed last time. One that shows nothing at all is believed once it has done so for
a week. What it does show and cannot be counted is kept, and stops paid runs. While a run buys, the
bill is read often enough to stop in time, and not so often as to slow it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from catalog import ledger, outstanding, settlement
from catalog.errors import AccountStopped, ProviderUnreadable
from catalog.outstanding import Unsettled
from catalog.settlement import (
    DEDUCTION_SHOWS_WITHIN,
    Billed,
    KnownLines,
    settlement_of,
    unclear_lines,
)
from catalog.values import BillingRow, PredictionStatus
from flows.pipeline.plan import check_drift
from flows.pipeline.runner import RunContext
from tasks.runtime.services import Services

#: Together with the witness as many as one search takes, so that it stands for all of them.
_PAGE = 49
#: A witness older than this may have left the bill for good, and proves nothing of a late one.
_WITNESS_IS_GOOD_FOR = timedelta(days=7)
#: A bill that shows nothing at all is believed once it has done so for this long.
_SILENCE_COUNTS_AFTER = timedelta(days=7)


async def settle_or_say_why(context: RunContext) -> None:
    """Settle; a bill that cannot be read now is settled by a later run."""
    stats = context.stats
    stats.stage = "Comparing with the bill"
    try:
        await settle(context.services)
    except (ProviderUnreadable, AccountStopped) as error:
        notice = f"The bill could not be compared: {error}"
        if notice not in stats.notices:
            stats.notices.append(notice)


async def settle(services: Services) -> None:
    """Book what the bill says that ended predictions cost.

    Raises:
        ProviderUnreadable: if the bill cannot be read or believed; nothing is changed then.
    """
    page = await _unsettled(services, after_id=0)
    if not page:
        return
    endpoint, since = services.provider.endpoint, services.provider.clock() - _WITNESS_IS_GOOD_FOR
    charged = await services.read(ledger.last_charged, endpoint, since=since)
    witness = frozenset() if charged is None else frozenset({charged})
    known = await services.read(settlement.known_lines, endpoint)
    while page:
        await _settle_page(page, witness, known, services)
        page = await _unsettled(services, after_id=page[-1].prediction_id)


async def _unsettled(services: Services, *, after_id: int) -> list[Unsettled]:
    return await services.read(
        outstanding.unsettled, services.provider.endpoint, after_id=after_id, limit=_PAGE
    )


async def _settle_page(
    page: Sequence[Unsettled],
    witness: frozenset[str],
    known: KnownLines,
    services: Services,
) -> None:
    asked = [one.provider_id for one in page]
    rows = await services.provider.client.billings([*asked, *witness])
    now = services.provider.clock()
    await _note_unclear(page, rows, known, services, now)
    if not {row.provider_id for row in rows} >= witness:
        raise ProviderUnreadable(
            "The provider's bill no longer shows what it showed before, so what it does not show "
            "proves nothing. Try again later."
        )
    # A line that names nobody may be anybody's, so nobody is proven to have none.
    is_anybodys = any(row.provider_id is None and row.uuid not in known.noted for row in rows)
    settled: list[Billed] = []
    for one in page if rows else _long_silent(page, now):
        own = [row for row in rows if row.provider_id == one.provider_id]
        billed = _billed(one, own, known, now) if own or not is_anybodys else None
        settled.extend([] if billed is None else [billed])
    if settled:
        await services.write_all(settlement.settle, settled)
    await _heed_silence(page, services, since=None if rows else now)


async def _note_unclear(
    page: Sequence[Unsettled],
    rows: Sequence[BillingRow],
    known: KnownLines,
    services: Services,
    now: datetime,
) -> None:
    """Keep what the bill shows and cannot be counted, before anything of it is settled."""
    nobodys = [row for row in rows if row.provider_id is None]
    unclear = unclear_lines(nobodys, ended_at=None, now=now)
    for one in page:
        own = [row for row in rows if row.provider_id == one.provider_id]
        unclear += unclear_lines(own, ended_at=one.ended_at, now=now)
    asked = frozenset(one.provider_id for one in page)
    if unclear or asked & known.unseen_of:
        await services.write(
            settlement.note_unclear,
            endpoint=services.provider.endpoint,
            lines=unclear,
            asked=asked,
            now=now,
        )


def _long_silent(page: Sequence[Unsettled], now: datetime) -> list[Unsettled]:
    """Choose those about which the bill has said nothing for so long that it will not."""
    return [
        one
        for one in page
        if one.silent_since is not None and now - one.silent_since > _SILENCE_COUNTS_AFTER
    ]


async def _heed_silence(
    page: Sequence[Unsettled], services: Services, *, since: datetime | None
) -> None:
    """Note when the bill begins to show nothing at all, and when it does again."""
    turned = [
        one.prediction_id
        for one in page
        # One that is completed costs its quote as long as no bill says otherwise.
        if one.status is not PredictionStatus.COMPLETED
        and (one.silent_since is None) != (since is None)
        # Before, it is only late.
        and (since is None or since - one.ended_at > DEDUCTION_SHOWS_WITHIN)
    ]
    if turned:
        await services.write(settlement.heed_silence, prediction_ids=turned, since=since)


def _billed(
    one: Unsettled, rows: Sequence[BillingRow], known: KnownLines, now: datetime
) -> Billed | None:
    """Say what its own rows of the bill decide; None if nothing yet."""
    found = settlement_of(
        one.status,
        rows,
        ended_at=one.ended_at,
        now=now,
        quoted=one.quoted_micros,
        noted=known.noted,
    )
    return None if found is None else Billed(prediction_id=one.prediction_id, found=found, now=now)


#: While a run buys, as long as it takes to read a bill that does not yet show what ended, and so
#: grows with every reading, so many times longer it is not read again.
_PAUSE_TIMES = 9


@dataclass(slots=True)
class Readings:
    """When the bill is read while buying: at most a tenth of the time. Seconds of any clock."""

    _again_at: float = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is worth its time."""
        return now >= self._again_at

    def made(self, *, began: float, ended: float) -> None:
        """Learn how long one took."""
        self._again_at = ended + _PAUSE_TIMES * (ended - began)


@dataclass(kw_only=True, slots=True)
class BillWatch:
    """Settles what has ended while one run goes on buying."""

    context: RunContext
    _readings: Readings = field(default_factory=Readings)
    #: One reading at a time.
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self, *, now: bool = False) -> None:
        """Settle what has ended; `now` even if that takes long, else it may be left for later.

        Raises:
            AccountStopped: if the bill is higher than was quoted, so that no more is to be bought.
        """
        if self.context.services.provider.offline:
            return
        clock = asyncio.get_running_loop().time
        async with self._reading:
            began = clock()
            if not now and not self._readings.is_due(began):
                return
            await settle_or_say_why(self.context)
            self._readings.made(began=began, ended=clock())
            await check_drift(self.context.services)
