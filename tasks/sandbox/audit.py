"""What the sandbox saw, summed up for proofs and for people. Money is integer micro-dollars."""

from __future__ import annotations

import html
from collections import Counter
from typing import Any

from tasks.sandbox.predictions import OPEN, Prediction, Status
from tasks.sandbox.provider import Sandbox
from tasks.sandbox.wire import SECOND, rfc3339


def summed_up(sandbox: Sandbox, now_ns: int) -> dict[str, Any]:
    """Give the totals; docs/sandbox.md says what each key means."""
    account, counts = sandbox.account, sandbox.counts
    ours = [p for p in account.predictions.values() if not p.foreign]
    unread = [p for p in ours if p.status is Status.COMPLETED and not p.read]
    gap_ns = counts.min_gap_ns
    books = account.books
    return {
        "accepted": len(ours),
        "completed": sum(p.status is Status.COMPLETED for p in ours),
        "failed": sum(p.status not in OPEN and p.status is not Status.COMPLETED for p in ours),
        "in_flight": account.in_flight,
        "billed_micros": books.deducted_micros - books.refunded_micros,
        "deducted_micros": books.deducted_micros,
        "refunded_micros": books.refunded_micros,
        "balance_micros": books.balance_micros,
        "duplicates": len(account.duplicates.ids),
        "duplicate_ids": account.duplicates.ids,
        "unread": len(unread),
        "unread_at_expiry": sum(account.is_expired(p, now_ns) for p in unread),
        "answers_lost": sum(p.answer_lost for p in ours),
        "orphaned": sum(p.answer_lost and p.polls == 0 for p in ours),
        "polls": counts.polls,
        "polls_most": max((p.polls for p in ours), default=0),
        "min_poll_gap_seconds": None if gap_ns is None else gap_ns / SECOND,
        "starts_per_minute_peak": account.gate.calendar_peak,
        "starts_in_60_seconds_peak": account.gate.any_peak,
        "in_flight_peak": account.in_flight_peak,
        "key_leaks": counts.key_leaks,
        "requests": dict(counts.requests),
        "refused": dict(counts.refused),
        "faults": {str(fault): count for fault, count in sandbox.faults.struck.items()},
        "by_model": dict(Counter(p.model for p in ours)),
        "by_status": dict(Counter(str(p.status) for p in ours)),
        "now": rfc3339(now_ns),
    }


def listed(sandbox: Sandbox, now_ns: int) -> list[dict[str, Any]]:
    """Give every prediction of ours, oldest first, without addresses that are signed."""
    predictions = sandbox.account.predictions.values()
    return [_row(sandbox, p, now_ns) for p in predictions if not p.foreign]


def _row(sandbox: Sandbox, prediction: Prediction, now_ns: int) -> dict[str, Any]:
    seconds = prediction.duration_seconds
    return {
        "id": prediction.id,
        "model": prediction.model,
        "task": prediction.task,
        "text": prediction.text,
        "video": prediction.identity,
        "duration_seconds": None if seconds is None else str(seconds),
        "status": prediction.status,
        "fate": prediction.fate,
        "code": prediction.end.code if prediction.end else 0,
        "price_micros": prediction.price_micros,
        "charged_micros": sandbox.account.books.charged(prediction.id),
        "created_at": rfc3339(prediction.created_ns),
        "latency_seconds": prediction.latency_ns / 1e9,
        "polls": prediction.polls,
        "read": prediction.read,
        "answer_lost": prediction.answer_lost,
        "expired": sandbox.account.is_expired(prediction, now_ns),
    }


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:44rem;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse;width:100%}td{padding:.2rem .5rem;"
    "border-bottom:1px solid #ddd;vertical-align:top}td:last-child{text-align:right;"
    "font-variant-numeric:tabular-nums}h2{font-size:1rem;margin:2rem 0 .5rem}"
)


def as_page(summary: dict[str, Any]) -> str:
    """Give the totals as a page for people."""
    plain = {key: value for key, value in summary.items() if not isinstance(value, dict | list)}
    groups = {key: value for key, value in summary.items() if isinstance(value, dict) and value}
    tables = [_table(plain)]
    tables += [f"<h2>{_words(key)}</h2>{_table(group)}" for key, group in groups.items()]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sandbox audit</title>"
        f"<style>{_STYLE}</style><h1>Sandbox audit</h1><p>A stand-in for WaveSpeed's API: no real "
        f"money was spent.</p>{''.join(tables)}"
        "<p><a href=/audit/predictions>All predictions (JSON)</a></p></html>"
    )


def _table(values: dict[str, Any]) -> str:
    rows = (
        f"<tr><td>{_words(key)}<td>{html.escape(_value(key, value))}"
        for key, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _words(key: str) -> str:
    return html.escape(key.removesuffix("_micros").replace("_", " "))


def _value(key: str, value: Any) -> str:
    if key.endswith("_micros"):
        return f"${value / 1_000_000:,.6f}"
    return "none" if value is None else str(value)
