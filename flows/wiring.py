"""Wiring: the one place that builds the catalog, the stores, the pool and the provider's client."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pydantic import SecretStr

from catalog.database import Catalog
from catalog.errors import SettingsError
from catalog.money import micros
from catalog.pricing import MOLMO2_PRICES, OFFLINE_PRICES
from catalog.rate_limits import Limits
from catalog.schema import open_catalog
from catalog.values import Clock, utc_now
from flows.logs import logging_to
from flows.pipeline.recovery import OFFLINE_ENDPOINT
from flows.pipeline.request import RunRequest
from flows.settings import Settings
from tasks.media.binaries import find_ffprobe
from tasks.media.confinement import proxies_with_passwords
from tasks.media.inspect import EngineChoice, InspectOptions
from tasks.media.pool import InspectPool
from tasks.media.tags import Whereabouts
from tasks.runtime.services import Provider, Services, Waits
from tasks.runtime.writer import GroupWriter
from tasks.storage.registry import Stores
from tasks.storage.store import S3Options, StoreOptions
from tasks.wavespeed.client import WaveSpeed
from tasks.wavespeed.connection import Limits as RequestLimits
from tasks.wavespeed.connection import account_of
from tasks.wavespeed.pacing import TIERS

#: The sandbox in this process is looked at often: nobody is asked to wait.
_OFFLINE_POLL_GAP = timedelta(seconds=0.05)
_OFFLINE_URL = "http://sandbox.invalid"
#: So many objects are made before Python looks for circles among them. With its own 700, a run with
#: hundreds in flight spends a seventh of its time looking, and finds hardly any.
_COLLECT_AFTER = 10_000
#: Threads of one probing process: buckets are far away, so most of them wait.
_PROBE_THREADS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Tempo:
    """Time, and how much of it is spent waiting; a rehearsal of years takes minutes."""

    clock: Clock = utc_now
    waits: Waits = field(default_factory=Waits)
    requests: RequestLimits = field(default_factory=RequestLimits)


@asynccontextmanager
async def open_services(
    settings: Settings, request: RunRequest, tempo: Tempo | None = None
) -> AsyncIterator[Services]:
    """Build everything a run needs, and take it down again. `tempo` is None for production's.

    Raises:
        SettingsError: if the settings do not fit together.
        CatalogError: if the catalog cannot be used.
    """
    tempo = tempo or Tempo()
    async with AsyncExitStack() as stack:
        stack.enter_context(logging_to(settings))
        gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])  # for the process, for good
        catalog = open_catalog(settings.database_url)
        stack.callback(catalog.close)
        writer = GroupWriter(catalog)
        stack.push_async_callback(writer.close)
        stores = Stores(_store_options(settings, request))
        pool = await stack.enter_async_context(_pool(settings, request, stores))
        provider = await stack.enter_async_context(_provider(settings, request, tempo))
        yield Services(
            catalog=catalog,
            writer=writer,
            stores=stores,
            pool=pool,
            provider=provider,
            clock=tempo.clock,
            waits=tempo.waits,
            new_token=lambda: secrets.token_hex(16),
            zone=settings.zone,
        )


def open_catalog_only(settings: Settings) -> Catalog:
    """Open the catalog for commands that need nothing else."""
    return open_catalog(settings.database_url)


def _pool(settings: Settings, request: RunRequest, stores: Stores) -> InspectPool:
    far = any(not _is_local(source) for source in request.videos.sources)
    ffprobe = find_ffprobe() if settings.probe_engine != "pyav" else None
    return InspectPool(
        stores,
        options=InspectOptions(
            engine=EngineChoice(settings.probe_engine),
            ffprobe=None if ffprobe is None else ffprobe.path,
            whereabouts=Whereabouts.KEEP if settings.keep_location_tags else Whereabouts.DROP,
        ),
        workers=settings.probe_workers or os.cpu_count(),
        threads_per_worker=_PROBE_THREADS if far else 1,
        proxies=proxies_with_passwords() if far else None,
        timeout_seconds=settings.probe_timeout,
    )


def _store_options(settings: Settings, request: RunRequest) -> StoreOptions:
    return StoreOptions(
        s3=S3Options(
            requester_pays=settings.s3_requester_pays,
            addressing_style=settings.s3_addressing_style,
        ),
        follow_links=settings.follow_links or request.videos.follow_links,
    )


def _is_local(source: str) -> bool:
    return "://" not in source and not source.startswith("@")


@asynccontextmanager
async def _provider(
    settings: Settings, request: RunRequest, tempo: Tempo
) -> AsyncIterator[Provider]:
    if settings.provider_for(request.spending.provider) == "offline":
        async with _offline(settings, request) as provider:
            yield provider
        return
    tier = TIERS.get(request.pace.tier or settings.tier)
    if tier is None:
        raise SettingsError(f"--tier takes {', '.join(TIERS)}, not {request.pace.tier!r}.")
    in_flight = min(tier.in_flight, request.pace.concurrency or tier.in_flight)
    api_key = settings.wavespeed_api_key or SecretStr("")
    async with WaveSpeed(
        api_key=api_key,
        base_url=settings.wavespeed_base_url,
        now=tempo.clock,
        limits=_requests(settings, tempo),
    ) as client:
        yield Provider(
            client=client,
            endpoint=client.endpoint,
            prices=MOLMO2_PRICES,
            limits=Limits(starts_per_minute=tier.starts_per_minute, in_flight=in_flight),
            offline=False,
            exclusive=settings.exclusive_account,
            poll_gap=settings.poll_gap,
            settle_delay=timedelta(seconds=settings.settle_delay),
            patience=timedelta(minutes=settings.wait_minutes),
            drift_tolerance=micros(settings.drift_tolerance),
            link_lasts=timedelta(hours=settings.link_hours),
            account=account_of(api_key),
        )


def _requests(settings: Settings, tempo: Tempo) -> RequestLimits:
    if settings.upload_mbit is None:
        return tempo.requests
    return replace(tempo.requests, upload_bytes_per_second=settings.upload_mbit * 1_000_000 / 8)


@asynccontextmanager
async def _offline(settings: Settings, request: RunRequest) -> AsyncIterator[Provider]:
    """Put the sandbox behind the client, inside this process."""
    import httpx  # noqa: PLC0415 - only runs need it

    from tasks.sandbox.app import create_app  # noqa: PLC0415
    from tasks.sandbox.options import SandboxOptions  # noqa: PLC0415
    from tasks.sandbox.vision.describe import measure_duration, new_model  # noqa: PLC0415

    key = secrets.token_hex(16)
    sandbox = SandboxOptions(api_key=key, allow_files=True, latency_scale=0)
    app = create_app(sandbox, model=new_model(), measure_duration=measure_duration)
    with contextlib.closing(app.state.sandbox):
        async with WaveSpeed(
            api_key=SecretStr(key),
            base_url=_OFFLINE_URL,
            now=utc_now,
            transport=httpx.ASGITransport(app),
            files=True,
        ) as client:
            yield Provider(
                client=client,
                endpoint=OFFLINE_ENDPOINT,
                prices=OFFLINE_PRICES,
                limits=Limits(
                    starts_per_minute=None,
                    in_flight=request.pace.concurrency or 2 * (os.cpu_count() or 1),
                ),
                offline=True,
                exclusive=True,
                poll_gap=_OFFLINE_POLL_GAP,
                settle_delay=timedelta(0),
                patience=timedelta(minutes=settings.wait_minutes),
                drift_tolerance=micros(settings.drift_tolerance),
                link_lasts=timedelta(hours=settings.link_hours),
            )
