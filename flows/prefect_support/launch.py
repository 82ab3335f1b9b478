"""From the command line into Prefect: the same run, recorded and shown by a Prefect server.

Imports Prefect only when a run is begun, so that asking whether to go this way costs nothing.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from catalog.errors import SettingsError
from flows.pipeline.report import RunReport
from flows.pipeline.request import RunRequest
from flows.pipeline.runner import RunContext
from flows.prefect_support.load import import_prefect, outside_the_folder
from tasks.foundation.redaction import redact

#: Prefect writes nothing over what `reelcat` shows, and a server that it starts reports to nobody.
_QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",  # what it could not tell a server that is gone
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}

#: So long may Prefect take to hear of the end of a run, and then to give it up.
_PATIENCE_SECONDS, _CANCEL_SECONDS = 3.0, 1.0
#: So long may a server take to say that it is there.
_HEALTH_SECONDS = 30.0

_UNHEARD = "The Prefect server did not hear how this run ended."


async def run_through_prefect(request: RunRequest, context: RunContext) -> RunReport:
    """Run as `flows.pipeline.run.run` does, as a flow run of Prefect.

    Without a server configured, Prefect starts one for as long as this lasts. A server that goes
    away meanwhile costs Prefect its record of the run, and nothing else.

    Raises:
        SettingsError: if the Prefect server that is configured does not answer.
        ReelcatError: what `flows.pipeline.run.run` raises.
    """
    import_prefect()
    from prefect.exceptions import PrefectException  # noqa: PLC0415

    from flows.deployments import LocalRun, catalog_videos, local_run  # noqa: PLC0415

    await _require_server()
    notices = context.stats.notices
    caller = LocalRun(context=context, on_sigterm=signal.getsignal(signal.SIGTERM))
    token = local_run.set(caller)
    flow = asyncio.ensure_future(catalog_videos(**request.parameters, return_state=True))
    try:
        await _end_soon_after(flow, caller.ended)
        if caller.outcome is None:
            await (await flow).aresult()  # raises what went wrong
        elif not flow.done() or flow.cancelled():
            notices.append(_UNHEARD)
        else:
            flow.result()
    except (httpx.HTTPError, PrefectException, OSError):
        if caller.outcome is None:
            raise
        notices.append(_UNHEARD)
    finally:
        flow.cancel()
        local_run.reset(token)
    if isinstance(caller.outcome, RunReport):
        return caller.outcome
    raise caller.outcome or RuntimeError("The flow ended without a report.")


async def _end_soon_after(flow: asyncio.Future[Any], ended: asyncio.Event) -> None:
    """Wait for the flow run's end, but once the work has ended not for as long as Prefect would."""
    work = asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({flow, work}, return_when=asyncio.FIRST_COMPLETED)
        if not flow.done():
            await asyncio.wait({flow}, timeout=_PATIENCE_SECONDS)
        if not flow.done():
            flow.cancel()
            await asyncio.wait({flow}, timeout=_CANCEL_SECONDS)
    finally:
        work.cancel()


async def _require_server() -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - a second to import

    try:
        with _deaf_children(), outside_the_folder():
            client = get_client()
    except (httpx.InvalidURL, ImportError, ValueError, OSError) as error:
        raise SettingsError(
            f"Prefect's client cannot be used as it is set up ({type(error).__name__}); correct "
            "PREFECT_API_URL, HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE, or use --no-prefect."
        ) from None
    async with client:
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                trouble = await client.api_healthcheck()
        except TimeoutError as error:
            trouble = error
        if trouble is not None:
            where = redact(str(client.api_url))
            raise SettingsError(
                f"The Prefect server at {where} does not answer; start it with `prefect "
                "server start`, or unset PREFECT_API_URL to run without Prefect."
            )


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let a server that is started in this block not hear the Ctrl-C that is meant for the run."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
