"""reelcat's engine and what people would write or pick instead, all doing the same work.

Each takes a sandbox's address, describes `count` videos there, and says what that cost its process.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import archive
import httpx
from meter import Cost, metered
from pydantic import SecretStr

from catalog import locations
from catalog.pricing import MOLMO2
from catalog.rate_limits import Limits
from catalog.values import AnalysisType, Order
from flows.pipeline.plan import new_planner
from flows.pipeline.predict import new_engine
from flows.pipeline.request import RunRequest
from flows.pipeline.run_record import background, recorded
from flows.pipeline.runner import LocalRunner, RunContext
from flows.settings import Settings
from flows.wiring import open_services
from tasks.runtime.stats import RunStats
from tasks.storage.source import parse_source
from tasks.wavespeed.polling import PollSchedule, ServiceTimes

#: Takes a load and whatever else it asks for; runs in a process of its own.
Contender = Callable[..., Awaitable[Cost]]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is to be done, and how."""

    base_url: str
    api_key: str
    count: int
    in_flight: int
    #: Least seconds between two polls of one prediction.
    poll_gap: float
    #: None for an account that may start as many as it likes.
    tier: str | None = "ultra"


async def reelcat(load: Load) -> Cost:
    """Plan, hold, submit, poll and record, with the catalog in SQLite."""
    with tempfile.TemporaryDirectory(prefix="reelcat-bench-") as place:
        folder, url = Path(place, "videos"), f"sqlite:///{place}/catalog.db"
        archive.build(folder, url, videos=load.count, endpoint=load.base_url)
        settings = Settings(
            _env_file=None,
            database_url=url,
            wavespeed_api_key=SecretStr(load.api_key),
            wavespeed_base_url=load.base_url,
            poll_interval=load.poll_gap,
            tier=load.tier or "ultra",
            probe_engine="pyav",
        )
        request = RunRequest.of(
            sources=(str(folder),),
            tasks=(AnalysisType.SUMMARY,),
            budget_usd="10000",
            provider="wavespeed",
            order=Order.PATH,
            concurrency=load.in_flight,
        )
        async with open_services(settings, request) as services:
            provider = services.provider
            if load.tier is None:
                limits = Limits(starts_per_minute=None, in_flight=load.in_flight)
                provider = replace(provider, limits=limits)
            context = RunContext(
                settings=settings,
                services=replace(services, provider=provider),
                runner=LocalRunner(),
                stats=RunStats(),
            )
            return await _predict(load, request, context)


async def _predict(load: Load, request: RunRequest, context: RunContext) -> Cost:
    stats = context.stats
    async with recorded("run", request, context):
        planner = new_planner(request, context)
        source = parse_source(request.videos.sources[0])
        scope = await context.services.write(locations.register, uri=source.uri, kind=source.kind)
        engine = new_engine(context, spec=planner.spec, rng=random.Random(1))
        async with metered() as cost, background(engine.watch()):
            plan = await planner.plan([scope])
            began = time.perf_counter()
            await engine.predict(plan.jobs)
            cost.more["predicting_seconds"] = time.perf_counter() - began
    analyses = stats.analyses
    cost.more |= {"done": analyses.completed, "submitted": analyses.submitted}
    if analyses.completed != load.count:
        cost.more["troubles"] = [trouble.reason for trouble in stats.failures[:3]]
        print("not all were completed:", cost.more)
    return cost


async def stock_httpx(load: Load) -> Cost:
    """A bare loop without a database on httpx as it comes; 32 requests open at most."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32, keepalive_expiry=4)
    return await _bare(load, httpx.AsyncClient(limits=limits), open_requests=32)


async def httpx_aiohttp(load: Load) -> Cost:
    """The same loop on httpx's API over aiohttp; no bound on open requests."""
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 - only this contender pays for it

    limits = httpx.Limits(max_connections=None, keepalive_expiry=4)
    return await _bare(load, httpx.AsyncClient(transport=AiohttpTransport(limits=limits)))


async def fixed_interval(load: Load) -> Cost:
    """The same loop on httpx-aiohttp, looking at a fixed interval as people write it."""
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 - only this contender pays for it

    limits = httpx.Limits(max_connections=None, keepalive_expiry=4)
    client = httpx.AsyncClient(transport=AiohttpTransport(limits=limits))
    return await _bare(load, client, interval=load.poll_gap)


async def _bare(
    load: Load,
    client: httpx.AsyncClient,
    open_requests: int = 100_000,
    interval: float | None = None,
) -> Cost:
    gate, slots = asyncio.Semaphore(open_requests), asyncio.Semaphore(load.in_flight)
    by_hand = ByHand(load, client, gate, interval)

    async def one(number: int) -> None:
        async with slots:
            await by_hand.describe(number)

    async with client, metered() as cost, asyncio.TaskGroup() as group:
        for number in range(load.count):
            group.create_task(one(number))
    cost.more |= {"done": load.count, "predicting_seconds": cost.wall_seconds}
    return cost


class ByHand:
    """Submit and poll as somebody writes it who keeps nothing.

    Looks on reelcat's own schedule, unless at an interval of so many seconds.
    """

    def __init__(
        self,
        load: Load,
        client: httpx.AsyncClient,
        gate: asyncio.Semaphore,
        interval: float | None = None,
    ) -> None:
        client.headers["Authorization"] = f"Bearer {load.api_key}"
        client.base_url = httpx.URL(load.base_url)
        client.timeout = httpx.Timeout(60)
        self._client, self._gate, self._interval = client, gate, interval
        self._times, self._schedule = ServiceTimes(), PollSchedule(min_gap_seconds=load.poll_gap)

    async def describe(self, number: int) -> None:
        """Describe one video and forget it."""
        body = {"video": f"http://127.0.0.1:9/{number}.mp4?reelcat={number}", "task": "summary"}
        async with self._gate:
            answer = await self._client.post(f"/api/v3/{MOLMO2}", json=body)
        provider_id = answer.raise_for_status().json()["data"]["id"]
        began, before = time.monotonic(), 0.0
        wait = self._interval or self._schedule.first_look_seconds(self._times)
        while True:
            await asyncio.sleep(wait)
            async with self._gate:
                answer = await self._client.get(f"/api/v3/predictions/{provider_id}/result")
            data = answer.raise_for_status().json()["data"]
            age = time.monotonic() - began
            if data["status"] == "completed":
                self._times.saw(unfinished_at_seconds=before, finished_at_seconds=age)
                return
            before = age
            wait = self._interval or self._schedule.next_look_seconds(
                age_seconds=age, times=self._times
            )


async def prefect_task_runs(load: Load, surroundings: dict[str, str]) -> Cost:
    """One Prefect task run for each prediction, inside of which it is submitted and polled."""
    os.environ.update(surroundings)  # Prefect reads them when it is imported
    from prefect import flow, task  # noqa: PLC0415
    from prefect.cache_policies import NO_CACHE  # noqa: PLC0415

    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=32, keepalive_expiry=4))
    by_hand = ByHand(load, client, asyncio.Semaphore(32))

    @task(cache_policy=NO_CACHE, persist_result=False)
    async def describe(number: int) -> None:
        await by_hand.describe(number)

    @flow(persist_result=False)
    async def describe_all() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(load.count):
                group.create_task(describe(number))

    async with client, metered() as cost:
        await describe_all()
    cost.more["done"] = load.count
    return cost


async def vendors_sdk(load: Load) -> Cost:
    """The vendor's SDK as its documentation shows it, in 64 threads."""
    from wavespeed import Client  # noqa: PLC0415 - only this contender pays for it

    client = Client(api_key=load.api_key, base_url=load.base_url)
    interval = load.poll_gap / 5  # its second, on the same scale as the documented five

    def one(number: int) -> None:
        video = f"http://127.0.0.1:9/{number}.mp4?reelcat={number}"
        client.run(MOLMO2, {"video": video, "task": "summary"}, poll_interval=interval)

    async with metered() as cost:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(64) as threads:
            await asyncio.gather(
                *(loop.run_in_executor(threads, one, number) for number in range(load.count))
            )
    cost.more["done"] = load.count
    return cost
