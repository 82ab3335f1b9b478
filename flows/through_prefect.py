"""From the command line into Prefect: the same run, recorded and shown by a Prefect server.

Imports Prefect only when a run is begun, so that asking whether to go this way costs nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from catalog.errors import SettingsError
from flows.door import Door
from flows.options import RunOptions
from flows.parameters import parameters_of
from flows.prefect_import import import_prefect, outside_the_folder
from flows.report import RunReport
from flows.settings import Settings
from tasks.services import Services
from tasks.tally import Tally


async def run_through_prefect(
    options: RunOptions, settings: Settings, services: Services, door: Door, tally: Tally
) -> RunReport:
    """Run as `flows.run.run` does, as a flow run of Prefect.

    Without a server configured, Prefect starts one for as long as this lasts. A server that goes
    away meanwhile costs Prefect its record of the run, and nothing else.

    Raises:
        SettingsError: if the Prefect server that is configured does not answer.
        ReelcatError: what `flows.run.run` raises.
    """
    import_prefect()
    from prefect.exceptions import PrefectException  # noqa: PLC0415

    from flows.batch import Caller, Means, calling, catalog_videos  # noqa: PLC0415

    await _require_server()
    means = Means(settings=settings, services=services, door=door, tally=tally)
    caller = Caller(means=means, on_sigterm=signal.getsignal(signal.SIGTERM))
    token = calling.set(caller)
    try:
        state = await catalog_videos(**parameters_of(options), return_state=True)
        if caller.outcome is None:
            await state.aresult()  # raises what went wrong
    except (httpx.HTTPError, PrefectException, OSError):
        if caller.outcome is None:
            raise
        tally.notices.append("The Prefect server did not hear how this run ended.")
    finally:
        calling.reset(token)
    if isinstance(caller.outcome, RunReport):
        return caller.outcome
    raise caller.outcome or RuntimeError("The flow ended without a report.")


async def _require_server() -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - a second to import

    with _deaf_children(), outside_the_folder():
        client = get_client()
    async with client:
        trouble = await client.api_healthcheck()
        if trouble is not None:
            raise SettingsError(
                f"The Prefect server at {client.api_url} does not answer; start it with `prefect "
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
