"""The audit, and the controls, which the options have to open. Both are guarded."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from catalog.errors import SettingsError
from tasks.wavespeed.sandbox import bodies
from tasks.wavespeed.sandbox.answers import Refusal, ok, reply
from tasks.wavespeed.sandbox.audit import as_page, listed, summed_up
from tasks.wavespeed.sandbox.faults import Fault
from tasks.wavespeed.sandbox.plan import FaultPlan, Scripted
from tasks.wavespeed.sandbox.routes.door import Door
from tasks.wavespeed.sandbox.service import Sandbox


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
    body = await bodies.read(request, bodies.FaultsBody)
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
    body = await bodies.read(request, bodies.ClockBody)
    sandbox.now()
    sandbox.jump(body.advance_seconds)
    sandbox.now()
    sandbox.turn(body.turn_seconds)
    return ok(None)


async def set_balance(request: Request) -> Response:
    """POST /control/balance: top up, or take away."""
    sandbox: Sandbox = request.app.state.sandbox
    body = await bodies.read(request, bodies.BalanceBody)
    sandbox.account.books.balance_micros = body.balance_micros
    return ok(None)


def control(endpoint: Door) -> Door:
    """Make a door that is there only where the options open the controls."""

    async def door(request: Request) -> Response:
        sandbox: Sandbox = request.app.state.sandbox
        sandbox.wake()
        if not sandbox.options.control:
            return Refusal(404, "not found", reason="control").response()
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return refusal.response()

    return door


def _fault(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        message = f"there is no fault {name!r}; GET /control/faults lists them"
        raise Refusal(400, message, reason="control") from None
