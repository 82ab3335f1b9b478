"""Money: integer micro-dollars inside, `Decimal` dollars at the edge, never a float."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation

from catalog.errors import SettingsError

MICROS_PER_DOLLAR = 1_000_000

#: More than any account holds; a larger number is a slip of the finger.
_MOST_DOLLARS = Decimal(1_000_000_000)


def dollars(micros: int) -> Decimal:
    """Give `micros` as dollars, exactly, with at least two decimals.

    >>> dollars(15_000), dollars(5_000_000), dollars(0), dollars(-7_500)
    (Decimal('0.015'), Decimal('5.00'), Decimal('0.00'), Decimal('-0.0075'))
    """
    exact = (Decimal(micros) / MICROS_PER_DOLLAR).normalize()
    exponent = exact.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    return exact.quantize(Decimal(1).scaleb(-max(2, decimals)))


def micros(amount: Decimal) -> int:
    """Give `amount` dollars as micro-dollars, a fraction of one rounded up (against us).

    >>> micros(Decimal("0.005")), micros(Decimal("0.0000001"))
    (5000, 1)
    """
    return int((amount * MICROS_PER_DOLLAR).to_integral_value(rounding=ROUND_CEILING))


def parse_dollars(text: str, *, setting: str) -> int:
    """Read an amount that a person wrote, `12`, `0.50` or `$25`, as micro-dollars.

    Raises:
        SettingsError: naming `setting`, when it is no number, negative, finer than a
            micro-dollar or absurd.
    """
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        message = f"{setting} takes an amount in dollars such as 25 or 0.50, not {text!r}."
        raise SettingsError(message) from None
    if not amount.is_finite() or not 0 <= amount <= _MOST_DOLLARS:
        message = f"{setting} takes an amount from 0 dollars upwards, not {text!r}."
        raise SettingsError(message)
    if amount * MICROS_PER_DOLLAR != micros(amount):
        message = f"{setting} takes at most six decimals, not {text!r}."
        raise SettingsError(message)
    return micros(amount)


def show(micros_: int) -> str:
    """Write an amount for a person: `$0.015`, `-$2.00`."""
    sign = "-" if micros_ < 0 else ""
    return f"{sign}${dollars(abs(micros_)):,}"
