"""The provider's figures: balance, quotes and lines of the bill, in integer micro-dollars.

Amounts are read from their decimal digits, never by way of a float. Where dollars and micro-dollars
cannot be told apart the amount is unknown: a guess would be wrong by a factor of a million. A line
that cannot be read is given all the same: that it is there is known.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from catalog.values import BillingRow, ProviderQuote
from tasks.foundation.untrusted_values import decimal_in, ordinary
from tasks.wavespeed.paging import PageEnd, read_end
from tasks.wavespeed.wire import Envelope, Text, page_rows, prediction_id, read_time, shown

_MICROS = 1_000_000
#: One prediction costs $0.005 to $0.12. A number below a thousand is dollars: as micro-dollars it
#: would be less than a fifth of the least charge. An integer from a thousand on is micro-dollars:
#: as dollars it would be thousands of times the largest. A fraction from there on is neither.
_LEAST_MICROS = 1_000
_LONGEST_ID = 128
#: No account holds more; what is written larger is not money.
_MOST_AMOUNT = Decimal(1_000_000_000)


def read_balance(envelope: Envelope) -> int | None:
    """The account's balance, rounded down to a micro-dollar; None if the answer holds none."""
    data = envelope.data
    balance = _decimal(data.get("balance") if isinstance(data, dict) else data)
    if balance is None:
        return None
    return int((balance * _MICROS).to_integral_value(ROUND_FLOOR))


def read_price(envelope: Envelope) -> ProviderQuote | None:
    """What the account would pay; None if the answer holds no amount that can be believed.

    That is `discounted_price` where there is one. Zero next to a price that is not zero is an unset
    field, not a gift.
    """
    data = envelope.data
    if not isinstance(data, dict):
        return None
    if not _is_dollars(data.get("currency")):
        return None
    discounted, listed = data.get("discounted_price"), data.get("price")
    if _is_negative(discounted) or _is_negative(listed):
        return None
    micros = amount_micros(discounted)
    if not micros and listed is not None:
        micros = amount_micros(listed)
    return None if micros is None else ProviderQuote(price_micros=micros)


def amount_micros(value: Any) -> int | None:
    """One prediction's price, charge or refund in micro-dollars, without its sign; None if unclear.

    Dollars when less than a thousand; micro-dollars when an integer from 1000 on, written without a
    point. The rest (`24300.0`, `"24300"`, `true`, `"free"`) is unclear.

    >>> amount_micros(Decimal("15.00")), amount_micros(24300), amount_micros("24300")
    (15000000, 24300, None)
    """
    amount = _decimal(value)
    if amount is None:
        return None
    amount = abs(amount)
    if amount < _LEAST_MICROS:
        return int((amount * _MICROS).to_integral_value(ROUND_HALF_EVEN))
    return int(amount) if isinstance(value, int) else None


def _decimal(value: Any) -> Decimal | None:
    """A number that may be money, from a JSON number or a string of digits; None for others."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    amount = decimal_in(value) if isinstance(value, str) else ordinary(Decimal(value))
    return amount if amount is not None and abs(amount) <= _MOST_AMOUNT else None


def _is_negative(value: Any) -> bool:
    amount = _decimal(value)
    return amount is not None and amount < 0


def _is_dollars(currency: Any) -> bool:
    """Whether an amount with this next to it may be dollars; where nothing is said it may."""
    return currency is None or (
        isinstance(currency, str) and currency.strip().upper() in {"", "USD"}
    )


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    uuid: Text = None
    billing_type: Text = None
    price: Any = None
    currency: Any = None
    created_at: Any = None
    prediction: Any = None
    order: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BillPage:
    """One page of the bill."""

    lines: tuple[BillingRow, ...]
    end: PageEnd


def read_bill(envelope: Envelope) -> BillPage | None:
    """The page, with every line that is on it; None if the answer is no page."""
    items = page_rows(envelope)
    if items is None:
        return None
    same: Counter[str] = Counter()
    lines: list[BillingRow] = []
    for item in items:
        digest = _digest(item)
        lines.append(_line(item, digest=f"{digest}-{same[digest]}"))
        same[digest] += 1
    return BillPage(lines=tuple(lines), end=read_end(envelope, rows=len(items)))


def collect_lines(found: dict[str, BillingRow], lines: Iterable[BillingRow]) -> list[str]:
    """Add the lines of a page to those found before, each once; give under which names.

    A provider may give a deduction and its refund one id, so the name has more than that. A line
    that says now this and now that cannot be read.
    """
    names: list[str] = []
    for line in lines:
        name = f"{line.provider_id or ''}:{line.kind}:{line.uuid}"
        if name in names and found[name].created_at != line.created_at:
            name = f"{name}:{line.created_at}"  # two charges under one id, and not one told twice
        names.append(name)
        before = found.setdefault(name, line)
        if (before.amount_micros, before.is_negative) != (line.amount_micros, line.is_negative):
            words = f"{before.words}, and again {line.words}"
            found[name] = replace(before, amount_micros=None, words=words)
    return names


def _digest(item: Any) -> str:
    try:
        text = json.dumps(item, sort_keys=True, default=str)
    except RecursionError:
        text = "nested too deep"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _line(item: Any, *, digest: str) -> BillingRow:
    """One line; `digest` tells it from others where it has no id of its own.

    It is made of what the line says and, for lines that say the same, of how many there were before
    it: two of them on one page are two charges.
    """
    row = _Row.model_validate(item) if isinstance(item, dict) else _Row()
    kind = " ".join((row.billing_type or "").split()).lower()
    words = kind or "no kind"
    words += f" of {row.price}" if row.price is not None else " without a price"
    return BillingRow(
        uuid=row.uuid if row.uuid and len(row.uuid) <= _LONGEST_ID else digest,
        provider_id=prediction_id(_uuid(row.prediction)),
        kind=kind,
        amount_micros=amount_micros(row.price) if _is_dollars(row.currency) else None,
        created_at=read_time(row.created_at),
        is_negative=_is_negative(row.price),
        words=shown(words if _is_dollars(row.currency) else f"{words} {row.currency}"),
    )


def _uuid(held: Any) -> str | None:
    uuid = held.get("uuid") if isinstance(held, dict) else None
    return uuid if isinstance(uuid, str) and uuid else None
