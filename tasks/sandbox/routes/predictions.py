"""Submitting, polling, listing and deleting predictions, the audit and the controls."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from catalog.errors import SettingsError
from catalog.values import AnalysisType
from tasks.sandbox import wire
from tasks.sandbox.account import Submission
from tasks.sandbox.audit import as_page, listed, summed_up
from tasks.sandbox.fault_responses import LOST_ANSWERS
from tasks.sandbox.faults import Fault, FaultPlan, Scripted
from tasks.sandbox.history import HistoryQuery, Page
from tasks.sandbox.options import MODELS
from tasks.sandbox.predictions import OPEN, Prediction, Status, as_json
from tasks.sandbox.provider import Sandbox
from tasks.sandbox.routes.access import Handler, origin, storage_origin
from tasks.sandbox.wire import SECOND, Refusal, ok, parse_rfc3339, reply, span

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
    body = await wire.read(request, wire.SubmitBody)
    _check_video(sandbox, body)
    submission = Submission(
        model=model, video=body.video, task=body.task or AnalysisType.GENERAL, text=body.text
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
    body = await wire.read(request, wire.ListBody)
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


def _first(sandbox: Sandbox) -> Prediction:
    everything = HistoryQuery(
        page=1, page_size=100, model=None, status=None, after_ns=None, before_ns=None
    )
    return sandbox.account.page(everything, lag_ns=0, now_ns=sandbox.now()).rows[-1]


def _check_video(sandbox: Sandbox, body: wire.SubmitBody) -> None:
    if sandbox.options.api_key in body.video or sandbox.options.api_key in (body.text or ""):
        sandbox.counts.key_leaks += 1
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


def _echo(sandbox: Sandbox, body: wire.ListBody, fault: Fault | None) -> str | None:
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


async def audit(request: Request) -> Response:
    """GET /audit: the books summed up, as JSON or, for browsers, as a page."""
    sandbox: Sandbox = request.app.state.sandbox
    summary = summed_up(sandbox, sandbox.now())
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(as_page(summary))
    return reply(summary)


async def audit_predictions(request: Request) -> Response:
    """GET /audit/predictions: what was accepted, oldest first."""
    sandbox: Sandbox = request.app.state.sandbox
    return reply(listed(sandbox, sandbox.now()))


async def show_faults(request: Request) -> Response:
    """GET /control/faults: all faults by name, and the plan in force."""
    sandbox: Sandbox = request.app.state.sandbox
    plan = sandbox.faults.plan
    return ok(
        {
            "faults": {fault: {"stage": fault.stage, "what": fault.sentence} for fault in Fault},
            "rates": dict(plan.rates),
            "script": [
                {"fault": s.fault, "first": s.first, "times": s.times, "about": s.about}
                for s in plan.script
            ],
            "seed": plan.seed,
        }
    )


async def set_faults(request: Request) -> Response:
    """POST /control/faults: go on with another plan."""
    sandbox: Sandbox = request.app.state.sandbox
    body = await wire.read(request, wire.FaultsBody)
    script = tuple(
        Scripted(fault=_fault(line.fault), first=line.first, times=line.times, about=line.about)
        for line in body.script
    )
    rates = {_fault(name): rate for name, rate in body.rates.items()}
    try:
        plan = FaultPlan(rates=rates, script=script, seed=body.seed)
    except SettingsError as error:
        raise Refusal(400, str(error), reason="control") from error
    sandbox.plan_faults(plan)
    return ok(None)


async def set_clock(request: Request) -> Response:
    """POST /control/clock: let time pass, or turn the clock without any passing."""
    sandbox: Sandbox = request.app.state.sandbox
    body = await wire.read(request, wire.ClockBody)
    sandbox.now()
    sandbox.jump(body.advance_seconds)
    sandbox.now()
    sandbox.turn(body.turn_seconds)
    return ok(None)


async def set_balance(request: Request) -> Response:
    """POST /control/balance: top up, or take away."""
    sandbox: Sandbox = request.app.state.sandbox
    body = await wire.read(request, wire.BalanceBody)
    sandbox.account.books.balance_micros = body.balance_micros
    return ok(None)


def control(endpoint: Handler) -> Handler:
    """Make a handler that is there only where the options open the controls."""

    async def handler(request: Request) -> Response:
        sandbox: Sandbox = request.app.state.sandbox
        sandbox.wake()
        if not sandbox.options.control:
            return Refusal(404, "not found", reason="control").response()
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return refusal.response()

    return handler


def _fault(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        message = f"there is no fault {name!r}; GET /control/faults lists them"
        raise Refusal(400, message, reason="control") from None
