"""Scripted servers, and clients that speak to them."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from scripted_server import ScriptedServer

from tasks.wavespeed.client import WaveSpeed
from tasks.wavespeed.connection import Limits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENT = Limits(tries=3)
#: So short that a server that never answers costs a test little.
HASTY = Limits(
    connect_seconds=0.5, submit_read_seconds=0.2, read_seconds=0.2, upload_seconds=0.2, tries=3
)


@pytest.fixture
def key():
    return "wsk_test-0123456789abcdef"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@dataclass(kw_only=True)
class Stage:
    """A server, a provider client for it, and how long the client chose to wait between tries."""

    server: ScriptedServer
    provider: WaveSpeed
    waits: list[float]


@pytest.fixture
async def servers():
    """Starts further servers."""
    async with AsyncExitStack() as stack:

        async def start():
            server = await ScriptedServer().start()
            stack.push_async_callback(server.stop)
            return server

        yield start


@pytest.fixture
async def connect(key):
    """Makes a client of a base URL."""
    async with AsyncExitStack() as stack:

        async def connected(base_url, *, waits=None, api_key=key, limits=PATIENT):
            async def sleep(seconds):
                if waits is not None:
                    waits.append(seconds)
                await asyncio.sleep(0)

            ids = (f"random{number}" for number in itertools.count(1))
            return await stack.enter_async_context(
                WaveSpeed(
                    api_key=SecretStr(api_key),
                    base_url=base_url,
                    now=lambda: NOW,
                    sleep=sleep,
                    new_id=lambda: next(ids),
                    limits=limits,
                )
            )

        yield connected


@pytest.fixture
async def stage(servers, connect):
    server, waits = await servers(), []
    return Stage(server=server, provider=await connect(server.url, waits=waits), waits=waits)


@pytest.fixture
async def hasty_stage(servers, connect):
    """The same with a client that gives up soon, for servers that never answer."""
    server, waits = await servers(), []
    provider = await connect(server.url, waits=waits, limits=HASTY)
    return Stage(server=server, provider=provider, waits=waits)
