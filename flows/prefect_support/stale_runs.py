"""Flow runs whose machine is gone: Prefect is told what the catalog knows.

Prefect hears of the end of a run from the run itself or from its worker. Where both are gone, or
were ended before they could tell, the flow run would be Running for ever, and keep its deployment's
slot. The catalog knows which runs are certainly dead, and which were interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Crashed

from catalog import runs
from tasks.runtime.services import Services

#: As far back as anybody looks; whoever finds a run dead does so within minutes.
_LOOK_BACK = timedelta(days=7)

#: Whoever was interrupted and still lives has told of it by then.
_GRACE_AFTER_INTERRUPT = timedelta(seconds=15)

#: A server that is silent holds up the end of a run for this long.
_PATIENCE_SECONDS = 3.0

_CRASH_MESSAGE = "Its process or machine is gone. What it had under way is left to other runs."


async def mark_stale_runs_crashed(services: Services) -> None:
    """Let flow runs crash whose runs were found dead; it is a courtesy, and stops nothing."""
    now = services.clock()
    dead = await services.read(
        runs.cut_short, since=now - _LOOK_BACK, interrupted_before=now - _GRACE_AFTER_INTERRUPT
    )
    if not dead:
        return
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), get_client() as client:
            for flow_run_id in dead:
                await _tell(client, UUID(flow_run_id))
    except (httpx.HTTPError, PrefectException, OSError, ValueError) as error:
        logging.getLogger(__name__).warning(
            "Prefect could not be told which runs are dead (%s).", type(error).__name__
        )


async def _tell(client: PrefectClient, flow_run_id: UUID) -> None:
    try:
        flow_run = await client.read_flow_run(flow_run_id)
    except ObjectNotFound:  # of another server, or removed
        return
    if flow_run.state is None or not flow_run.state.is_final():
        await client.set_flow_run_state(flow_run_id, Crashed(message=_CRASH_MESSAGE), force=True)
