"""Quotes, balance, bill, usage and the list of models."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tasks.sandbox import wire
from tasks.sandbox.account import BillingQuery, Row
from tasks.sandbox.faults import Fault
from tasks.sandbox.fetching import Unreachable
from tasks.sandbox.options import MODELS, discounted, price_micros
from tasks.sandbox.predictions import OPEN, Prediction
from tasks.sandbox.provider import Sandbox
from tasks.sandbox.wire import Refusal, ok, parse_rfc3339, rfc3339

_MICROS = 1_000_000
_SHORT_PAGE = 2
#: Rows on the pages of a provider that gives fewer than it is asked for.
_FEW = 2
_BESIDE = frozenset({Fault.BILLING_SURCHARGE, Fault.BILLING_EXCESS})


def _usd(micros: int) -> float:
    return micros / _MICROS


async def balance(sandbox: Sandbox, _request: Request, _fault: Fault | None) -> Response:
    """GET /api/v3/balance: what is left, in dollars."""
    sandbox.now()
    return ok({"balance": _usd(sandbox.account.books.balance_micros)})


async def price(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """POST /api/v3/model/price: what one run would cost, in dollars."""
    model, micros = await _quoted(sandbox, request, fault)
    options = sandbox.options
    return ok(
        {
            "model_id": model,
            "price": _usd(micros),
            "discounted_price": _usd(discounted(micros, options.discount)),
            "discount_rate": float(1 - options.discount),
            "currency": "USD",
        }
    )


async def billings(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """POST /api/v3/billings/search: one page of the bill."""
    body = await wire.read(request, wire.BillingBody)
    ids = body.prediction_uuids
    query = BillingQuery(
        kind=body.billing_type,
        prediction_ids=None if ids is None else tuple(ids),
        start_ns=_time("start_time", body.start_time),
        end_ns=_time("end_time", body.end_time),
    )
    if body.sort.lower() not in {"created_at asc", "created_at desc"}:
        raise Refusal(400, 'field "sort" is invalid', reason="field:sort")
    sandbox.now()
    rows = sandbox.account.books.search(query)
    if fault is Fault.BILLING_EMPTY:
        rows = []
    if body.sort.lower().endswith("desc"):
        rows = rows[::-1]
    page_size = _SHORT_PAGE if fault is Fault.BILLING_SHORT_PAGE else body.page_size
    start = (body.page - 1) * page_size
    shown = rows[start : start + page_size]
    if fault is Fault.BILLING_SMALL_PAGES:
        items = [_item(row, fault) for row in shown[:_FEW]]
        return ok({"page": body.page, "items": items})
    if fault is Fault.BILLING_SHORT and start + page_size >= len(rows):
        shown = shown[:-1]
    items = [_item(row, fault) for row in shown]
    items += [
        _other_lines(row, fault) for row in shown if fault in _BESIDE and row.kind == "deduct"
    ]
    more = start + page_size < len(rows)
    total = max(len(rows), len(items))
    return ok({"page": body.page, "items": items, "total": total, "has_more": more})


def _other_lines(row: Row, fault: Fault | None) -> dict[str, Any]:
    """Give the row that a fault puts next to a deduction."""
    kind, price = ("surcharge", 0.05) if fault is Fault.BILLING_SURCHARGE else ("refund", 1.0)
    return _item(row, fault) | {"uuid": f"{row.uuid}-2", "billing_type": kind, "price": price}


async def _quoted(sandbox: Sandbox, request: Request, fault: Fault | None) -> tuple[str, int]:
    body = await wire.read(request, wire.PriceBody)
    if body.model_id not in MODELS:
        raise Refusal(404, "model not found", reason="model")
    duration: Decimal | None = None
    video = body.inputs.get("video")
    if isinstance(video, str) and video:
        try:
            duration = (await sandbox.footages.look(video)).duration_seconds
        except Unreachable as error:
            raise Refusal(400, f'field "video": {error}', reason="field:video") from None
    micros = price_micros(body.model_id, duration, sandbox.options.rounding)
    return body.model_id, micros * 2 if fault is Fault.PRICE_DOUBLED else micros


def _item(row: Row, fault: Fault | None) -> dict[str, Any]:
    in_micros = fault is Fault.BILLING_MICROS
    paid: str | float = row.amount_micros if in_micros else _usd(row.amount_micros)
    listed = row.origin_micros if in_micros else _usd(row.origin_micros)
    if fault is Fault.BILLING_WORDS:
        paid = "five cents"
    prediction = row.prediction
    state = "pre" if prediction.status in OPEN else "done"
    return {
        "uuid": row.uuid,
        "access_key_name": "sandbox",
        "billing_type": row.kind,
        "price": paid,
        "created_at": rfc3339(row.created_ns),
        "updated_at": rfc3339(_settled_ns(row, prediction)),
        "order": {
            "uuid": f"order-{prediction.id}",
            "state": state,
            "price": paid,
            "origin_price": listed,
            "status": "success",
        },
        "prediction": {
            "uuid": None if fault is Fault.BILLING_NAMELESS else prediction.id,
            "model_uuid": prediction.model,
            "status": prediction.status,
        },
    }


def _settled_ns(row: Row, prediction: Prediction) -> int:
    return max(row.created_ns, prediction.ended_ns or 0)


def _time(name: str, value: str | int | None) -> int | None:
    """Read RFC 3339 or epoch milliseconds: documents and official clients disagree."""
    if value is None:
        return None
    text = str(value)
    at_ns = int(text) * _MICROS if text.isdecimal() else parse_rfc3339(text)
    if at_ns is None:
        message = f'field "{name}" must be epoch milliseconds or an RFC 3339 time'
        raise Refusal(400, message, reason=f"field:{name}")
    return at_ns
