"""Submitting, polling, listing and deleting predictions."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from catalog.values import Task
from tasks.wavespeed.sandbox import bodies
from tasks.wavespeed.sandbox.account import Submission
from tasks.wavespeed.sandbox.answers import Refusal, ok
from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.history import HistoryQuery, Page
from tasks.wavespeed.sandbox.instants import SECOND, parse_rfc3339, span
from tasks.wavespeed.sandbox.predictions import OPEN, Prediction, Status, as_json
from tasks.wavespeed.sandbox.routes.door import origin, storage_origin
from tasks.wavespeed.sandbox.sabotage import LOST_ANSWERS
from tasks.wavespeed.sandbox.service import Sandbox
from tasks.wavespeed.sandbox.tariff import MODELS

_LAGS_NS = {Fault.LIST_LAG: 60 * SECOND, Fault.LIST_LONG_LAG: 90 * SECOND}
_SHORT_PAGE = 2
_UNSEEN_POLLS = 2
#: Rows on the pages of a provider that gives fewer than it is asked for.
_FEW = 2

#: Polls under these bring no end to the client.
_SPOILED_POLLS = frozenset(
    {
        Fault.POLL_CUT_BODY,
        Fault.POLL_CUT_JSON,
        Fault.POLL_UNKNOWN_STATUS,
        Fault.POLL_SYNC_TIMEOUT,
    }
)


async def submit(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """POST /api/v3/{model}: accept a prediction."""
    model = request.path_params["model"]
    if model not in MODELS:
        raise Refusal(404, "model not found", reason="model")
    body = await bodies.read(request, bodies.SubmitBody)
    _check_video(sandbox, body)
    submission = Submission(
        model=model, video=body.video, task=body.task or Task.GENERAL, text=body.text
    )
    prediction = await sandbox.submit(submission, fault)
    if fault in LOST_ANSWERS:
        sandbox.account.mark_lost(prediction)
    if fault is Fault.SUBMIT_LOST_OTHER_ID:
        return ok(_shown(sandbox, request, _first(sandbox)))
    if fault is Fault.SUBMIT_COMPLETED:
        await sandbox.work.finish(prediction)
        shown = _shown(sandbox, request, prediction)
        if prediction.status not in OPEN:
            sandbox.account.mark_read(prediction)
        return ok(shown)
    shown = _shown(sandbox, request, prediction)
    status = "pending" if prediction.fate is Fault.TASK_PENDING else Status.CREATED
    if fault is Fault.SUBMIT_PROCESSING:
        status = Status.PROCESSING
    # A submission is answered before anything can have come of it.
    fresh = {"status": status, "outputs": [], "error": "", "code": 0, "executionTime": 0}
    return ok(shown | fresh | {"timings": {"inference": 0}})


async def poll(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """GET /api/v3/predictions/{id}[/result]: say how a prediction stands."""
    prediction = sandbox.account.get(request.path_params["id"], sandbox.now())
    if prediction is None:
        raise Refusal(404, "Prediction not found", reason="prediction")
    if prediction.fate is Fault.TASK_UNSEEN and prediction.polls <= _UNSEEN_POLLS:
        raise Refusal(404, "Prediction not found", reason="prediction")
    shown = _shown(sandbox, request, prediction)
    if fault is Fault.POLL_UNKNOWN_STATUS:
        shown |= {"status": "warming_up", "outputs": []}
    elif fault is Fault.POLL_SYNC_TIMEOUT:
        error = "Sync mode timed out; the task goes on."
        shown |= {"status": Status.PROCESSING, "outputs": [], "code": 5004, "error": error}
    if prediction.status not in OPEN and fault not in _SPOILED_POLLS:
        sandbox.account.mark_read(prediction)
    return ok(shown)


async def list_predictions(sandbox: Sandbox, request: Request, fault: Fault | None) -> Response:
    """POST /api/v3/predictions: one page of the account's history, newest first."""
    body = await bodies.read(request, bodies.ListBody)
    query = HistoryQuery(
        page=body.page,
        page_size=_SHORT_PAGE if fault is Fault.LIST_SHORT_PAGE else body.page_size,
        model=body.model,
        status=body.status,
        after_ns=_time("created_after", body.created_after),
        before_ns=_time("created_before", body.created_before),
    )
    now_ns = sandbox.now()
    if fault is Fault.LIST_ROWS_SHIFT:
        sandbox.account.add_foreign(body.model or MODELS[0], now_ns)
    lag_ns = span(sandbox.options.list_lag_seconds)
    if fault in _LAGS_NS:
        lag_ns = max(lag_ns, _LAGS_NS[fault])
    only_foreign = fault is Fault.LIST_ONLY_STRANGERS
    page = sandbox.account.page(query, lag_ns=lag_ns, now_ns=now_ns, only_foreign=only_foreign)
    if fault is Fault.LIST_EMPTY and body.page == 1:
        page = Page(rows=[], total=0, before=None)
    rows = page.rows
    if fault is Fault.LIST_DUPLICATE_ROW and rows:
        rows = [page.before or rows[0], *rows]
    echo = _echo(sandbox, body, fault)
    items = [_shown(sandbox, request, row) | _inputs(row, echo) for row in rows]
    if fault is Fault.LIST_SMALL_PAGES:
        return ok({"page": body.page, "items": items[:_FEW]})
    data: dict[str, Any] = {"page": body.page, "items": items}
    if sandbox.options.list_total or fault is Fault.LIST_SHORT:
        data["total"] = page.total
    if fault is Fault.LIST_SHORT and body.page * body.page_size >= page.total:
        data["items"] = items[:-1]
    return ok(data)


async def delete(sandbox: Sandbox, request: Request, _fault: Fault | None) -> Response:
    """POST /api/v3/predictions/delete: forget predictions."""
    body = await bodies.read(request, bodies.DeleteBody)
    return ok({"deleted_count": sandbox.account.remove(set(body.ids))})


def _first(sandbox: Sandbox) -> Prediction:
    everything = HistoryQuery(
        page=1, page_size=100, model=None, status=None, after_ns=None, before_ns=None
    )
    return sandbox.account.page(everything, lag_ns=0, now_ns=sandbox.now()).rows[-1]


def _check_video(sandbox: Sandbox, body: bodies.SubmitBody) -> None:
    if sandbox.options.api_key in body.video or sandbox.options.api_key in (body.text or ""):
        sandbox.tally.key_leaks += 1
    is_web = body.video.startswith(("http://", "https://"))
    is_file = sandbox.options.allow_files and body.video.startswith("file:///")
    if not is_web and not is_file:
        raise Refusal(400, 'field "video" must be a valid URL', reason="field:video")


def _shown(sandbox: Sandbox, request: Request, prediction: Prediction) -> dict[str, Any]:
    return as_json(
        prediction,
        now_ns=sandbox.now(),
        origin=origin(request),
        storage=storage_origin(sandbox, request),
    )


def _echo(sandbox: Sandbox, body: bodies.ListBody, fault: Fault | None) -> str | None:
    if not body.include_inputs or not sandbox.options.include_inputs:
        return None
    if fault is Fault.LIST_WITHOUT_INPUTS:
        return None
    return "input" if fault is Fault.LIST_INPUT_SINGULAR else "inputs"


def _inputs(prediction: Prediction, echo: str | None) -> dict[str, Any]:
    if echo is None:
        return {}
    inputs = {"video": prediction.video, "task": prediction.task}
    if prediction.text is not None:
        inputs["text"] = prediction.text
    return {echo: inputs}


def _time(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    at_ns = parse_rfc3339(text)
    if at_ns is None:
        message = f'field "{name}" must be an RFC 3339 time'
        raise Refusal(400, message, reason=f"field:{name}")
    return at_ns
