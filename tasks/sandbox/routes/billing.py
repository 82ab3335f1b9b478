"""Quotes, balance, bill, usage and the list of models."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tasks.sandbox import wire
from tasks.sandbox.account import BillingQuery, Row
from tasks.sandbox.faults import Fault
from tasks.sandbox.fetching import Unreachable
from tasks.sandbox.options import MODELS, discounted, price_micros
from tasks.sandbox.predictions import OPEN, Prediction, Status
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


async def old_price(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """POST /api/v3/model/pricing: the same in the older shape."""
    model, micros = await _quoted(sandbox, request, fault)
    paid = discounted(micros, sandbox.options.discount)
    return ok({"model_id": model, "unit_price": _usd(paid), "currency": "USD"})


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
    """Give the row that a fault puts beside a deduction."""
    kind, price = ("surcharge", 0.05) if fault is Fault.BILLING_SURCHARGE else ("refund", 1.0)
    return _item(row, fault) | {"uuid": f"{row.uuid}-2", "billing_type": kind, "price": price}


async def usage(sandbox: Sandbox, request: Request, _fault: Fault | None) -> Response:
    """POST /api/v3/user/usage_stats: sums by model and by day."""
    body = await wire.read(request, wire.UsageBody)
    query = BillingQuery(
        kind="deduct",
        prediction_ids=None,
        start_ns=_time("start_time", body.start_time),
        end_ns=_time("end_time", body.end_time),
    )
    sandbox.now()
    rows = sandbox.account.books.search(query)
    if body.model_uuid is not None:
        rows = [row for row in rows if row.prediction.model == body.model_uuid]
    succeeded = sum(row.prediction.status is Status.COMPLETED for row in rows)
    return ok(
        {
            "per_model_usage": _by_model(rows),
            "daily_usage": _by_day(rows),
            "summary": {
                "total_cost": _usd(sum(row.amount_micros for row in rows)),
                "total_requests": len(rows),
                "success_requests": succeeded,
            },
        }
    )


async def models(_sandbox: Sandbox, _request: Request, _fault: Fault | None) -> Response:
    """GET /api/v3/models: what this sandbox runs."""
    return ok([_model(model) for model in MODELS])


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


def _by_model(rows: list[Row]) -> list[dict[str, Any]]:
    cost: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for row in rows:
        cost[row.prediction.model] += row.amount_micros
        count[row.prediction.model] += 1
    return [
        {"model_uuid": model, "total_cost": _usd(cost[model]), "total_count": count[model]}
        for model in count
    ]


def _by_day(rows: list[Row]) -> list[dict[str, Any]]:
    cost: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for row in rows:
        day = rfc3339(row.created_ns)[:10]
        cost[day] += row.amount_micros
        count[day] += 1
    return [{"date": day, "amount": _usd(cost[day]), "count": count[day]} for day in sorted(count)]


def _model(model: str) -> dict[str, Any]:
    return {
        "model_id": model,
        "name": model,
        "description": "Served by the reelcat sandbox.",
        "type": "video-to-text",
        "base_price": _usd(price_micros(model, None)),
        "api_schema": {
            "api_schemas": [
                {
                    "type": "model_run",
                    "method": "POST",
                    "api_path": f"/api/v3/{model}",
                    "request_schema": wire.SubmitBody.model_json_schema(),
                }
            ]
        },
    }


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
