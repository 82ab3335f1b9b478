"""The provider's figures: balance, quotes and lines of the bill, in integer micro-dollars.

Amounts are read from their decimal digits, never by way of a float. Where dollars and micro-dollars
cannot be told apart the amount is unknown: a guess would be wrong by a factor of a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from catalog.values import BillingRow, ProviderQuote
from tasks.untrusted_values import decimal_in, ordinary
from tasks.wavespeed.envelope import Envelope, Text, page_rows, prediction_id, read_time

_MICROS = 1_000_000
#: One prediction costs $0.005 to $0.12, so less than a dollar is dollars, and an integer from a
#: thousandth of a dollar to a dollar in micro-dollars is micro-dollars. Nothing else is believed.
_LEAST_MICROS = 1_000
_MOST_MICROS = 1_000_000
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

    That is `discounted_price` where there is one. Zero beside a price that is not zero is an unset
    field, not a gift.
    """
    data = envelope.data
    if not isinstance(data, dict):
        return None
    currency = data.get("currency")
    if isinstance(currency, str) and currency.strip().upper() not in {"", "USD"}:
        return None
    discounted, listed = data.get("discounted_price"), data.get("price")
    micros = amount_micros(discounted)
    if not micros and listed is not None:
        micros = amount_micros(listed)
    return None if micros is None else ProviderQuote(price_micros=micros)


def amount_micros(value: Any) -> int | None:
    """One prediction's price, charge or refund in micro-dollars, without its sign; None if unclear.

    Dollars when less than one; micro-dollars when an integer from 1000 to a million, written
    without a point. The rest (`1`, `24.3`, `24300.0`, `true`, `"free"`) is unclear.

    >>> amount_micros(Decimal("0.015")), amount_micros(24300), amount_micros(1)
    (15000, 24300, None)
    """
    amount = _decimal(value)
    if amount is None:
        return None
    amount = abs(amount)
    if amount < 1:
        return int((amount * _MICROS).to_integral_value(ROUND_HALF_EVEN))
    if isinstance(value, int) and _LEAST_MICROS <= amount <= _MOST_MICROS:
        return int(amount)
    return None


def _decimal(value: Any) -> Decimal | None:
    """A number that may be money, from a JSON number or a string of digits; None for others."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    amount = decimal_in(value) if isinstance(value, str) else ordinary(Decimal(value))
    return amount if amount is not None and abs(amount) <= _MOST_AMOUNT else None


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    uuid: Text = None
    billing_type: Text = None
    price: Any = None
    created_at: Any = None
    prediction: Any = None
    order: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BillPage:
    """One page of the bill."""

    lines: tuple[BillingRow, ...]
    #: How many lines the provider sent, readable or not.
    rows: int
    #: What the provider says of further pages; None if it says nothing.
    has_more: bool | None


def read_bill(envelope: Envelope) -> BillPage | None:
    """The page; None if the answer is no page. Lines that name no prediction are left out."""
    items = page_rows(envelope)
    if items is None:
        return None
    lines = (_line(item) for item in items if isinstance(item, dict))
    more = envelope.data.get("has_more") if isinstance(envelope.data, dict) else None
    return BillPage(
        lines=tuple(line for line in lines if line is not None),
        rows=len(items),
        has_more=more if isinstance(more, bool) else None,
    )


def _line(item: dict[str, Any]) -> BillingRow | None:
    row = _Row.model_validate(item)
    provider_id = prediction_id(_uuid(row.prediction))
    kind = (row.billing_type or "").strip().lower()
    if provider_id is None or not kind:
        return None
    return BillingRow(
        # Some samples lack the line's own id; an order has at most one line of each kind.
        uuid=row.uuid or f"{_uuid(row.order) or provider_id}:{kind}",
        provider_id=provider_id,
        kind=kind,
        amount_micros=amount_micros(row.price),
        created_at=read_time(row.created_at),
    )


def _uuid(held: Any) -> str | None:
    uuid = held.get("uuid") if isinstance(held, dict) else None
    return uuid if isinstance(uuid, str) and uuid else None
