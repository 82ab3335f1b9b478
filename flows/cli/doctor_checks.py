"""Checkup: whether everything that a run needs is there, and what to do about what is not.

Looks only: nothing is made, changed or bought. The provider is asked for the balance, if there is
a key; nothing else goes over a network.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import importlib.metadata
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from catalog import HEAD, ledger
from catalog.database import connect, require_makeable, require_writable
from catalog.database_url import SqliteAddress, parse_address
from catalog.errors import AccountStopped, ReelcatError, SettingsError
from catalog.money import show
from catalog.schema import look
from catalog.values import utc_now
from flows.configuration.origins import settings_in_force, unknown_settings, unread_files
from flows.settings import DEFAULT, Settings, read_settings
from tasks.media.binaries import find_ffmpeg, find_ffprobe, trouble_with

#: Less than this on the catalog's disk is worth saying.
_ROOM_BYTES = 1_000_000_000
_BALANCE_SECONDS = 20
#: A smaller difference between clocks says nothing: answers are under way for a while.
_SKEW_TO_SAY = timedelta(seconds=2)


class Verdict(enum.StrEnum):
    """What a finding means."""

    OK = "ok"
    WARNING = "warning"  # usable, with less than there could be
    PROBLEM = "problem"  # a run would fail


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    #: What was found, and what to do unless it is ok.
    said: str


def examine() -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield _python()
    yield from _media()
    try:
        settings = read_settings()
    except ReelcatError as error:
        yield _problem("settings", str(error))
        yield from _unread_files_of_the_folder(str(error))
        return
    yield _settings()
    yield from (_warning("settings", said) for said in settings.unread)
    yield _zone(settings)
    yield from _database(settings)
    yield _account(settings)
    yield _buckets(settings)


def _ok(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.OK, said=said)


def _warning(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.WARNING, said=said)


def _problem(what: str, said: str) -> Finding:
    return Finding(what=what, verdict=Verdict.PROBLEM, said=said)


def _settings() -> Finding:
    """Name what was set, and what only looks as if it had been."""
    stray = [f"{one.name} ({one.source})" for one in unknown_settings()]
    if stray:
        what = "is no setting" if len(stray) == 1 else "are no settings"
        return _warning("settings", f"{', '.join(stray)} {what}; see `reelcat config`.")
    chosen = [one for one in settings_in_force() if one.source != DEFAULT]
    where = ", ".join(sorted({one.source for one in chosen})) or "nowhere"
    return _ok("settings", f"{len(chosen)} set ({where}); `reelcat config` shows all.")


def _unread_files_of_the_folder(problem: str) -> Iterator[Finding]:
    with contextlib.suppress(ReelcatError):  # that is the problem, and was told
        yield from (_warning("settings", said) for said in unread_files() if said != problem)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    names = ("reelcat", "av", "boto3", "prefect", "sqlalchemy")
    try:
        found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    except importlib.metadata.PackageNotFoundError as error:
        return _problem("python", f"{error.name} is not installed; install reelcat anew.")
    return _ok("python", f"{version} · {' · '.join(found)}")


def _media() -> Iterator[Finding]:
    yield _pyav()
    ffmpeg = find_ffmpeg()
    if ffmpeg is None or ffmpeg.version is None:
        where = "no ffmpeg was found" if ffmpeg is None else f"{ffmpeg.path} does not run"
        yield _warning("ffmpeg", f"{where}; `reelcat demo` needs one to make its clips.")
    else:
        yield _ok("ffmpeg", f"{ffmpeg.version} at {ffmpeg.path}")
    ffprobe = find_ffprobe()
    if ffprobe is None:
        yield _ok("ffprobe", "not found, and not needed: PyAV measures without it.")
        return
    trouble = trouble_with(ffprobe)
    said = f"{ffprobe.version} at {ffprobe.path}"
    yield _ok("ffprobe", said) if trouble is None else _warning("ffprobe", f"{said}: {trouble}")


def _pyav() -> Finding:
    try:
        import av
    except ImportError as error:
        return _problem("pyav", f"it does not load ({error}); install reelcat anew.")
    formats = ".".join(str(part) for part in av.library_versions["libavformat"])
    return _ok("pyav", f"{av.__version__} (libavformat {formats})")


def _zone(settings: Settings) -> Finding:
    now = utc_now().astimezone(settings.zone)
    said = f"days of budgets begin at midnight in {settings.timezone}, where it is {now:%H:%M}"
    return _ok("time zone", f"{said} (REELCAT_TIMEZONE).")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        shown_url, version = look(settings.database_url)
    except ReelcatError as error:
        yield _problem("catalog", str(error))
        return
    if version is None:
        yield _no_catalog_yet(settings.database_url, shown_url)
    elif version != HEAD:
        said = f"{shown_url} has version {version}; back it up, then run `reelcat db upgrade`."
        yield _problem("catalog", said)
    else:
        yield _used_catalog(settings.database_url, shown_url)
    yield from _room(settings.database_url)


def _no_catalog_yet(url: str, shown_url: str) -> Finding:
    try:
        with closing(connect(url)) as catalog:
            require_makeable(catalog)
    except ReelcatError as error:
        return _problem("catalog", str(error))
    return _ok("catalog", f"{shown_url}: none yet, the first run makes it.")


def _used_catalog(url: str, shown_url: str) -> Finding:
    """See whether it can be written to, and whether its money adds up."""
    catalog = connect(url)
    try:
        require_writable(catalog)
        with catalog.read() as session:
            wrong = ledger.disagreements(session)
    except ReelcatError as error:
        return _problem("catalog", str(error))
    finally:
        catalog.close()
    if wrong:
        return _problem("catalog", f"{shown_url}: budgets and ledger disagree: {'; '.join(wrong)}")
    return _ok("catalog", f"{shown_url}, version {HEAD}; budgets and ledger agree.")


def _room(url: str) -> Iterator[Finding]:
    address = parse_address(url)
    if not isinstance(address, SqliteAddress):
        return
    folder = Path(address.path).absolute().parent
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:,.1f} GB free in {folder}"
    yield _ok("disk", said) if free >= _ROOM_BYTES else _warning("disk", f"{said}; make room.")


def _account(settings: Settings) -> Finding:
    where = settings.wavespeed_base_url
    try:
        if settings.provider_for(None) == "offline":
            said = "no key is used, so runs are offline and free (WAVESPEED_API_KEY)."
            return _ok("account", said)
        balance, skew = asyncio.run(_balance(settings))
    except (AccountStopped, SettingsError) as error:
        return _problem("account", str(error))
    except (ReelcatError, TimeoutError) as error:
        return _warning("account", f"{where}: {error or 'no answer came; try again later.'}")
    if balance is None:
        return _warning("account", f"{where} does not tell the balance; look on its own pages.")
    if balance <= 0:
        return _problem("account", f"{where}: the balance is {show(balance)}; top it up.")
    return _ok("account", f"{where}: the balance is {show(balance)}; {_said_of_clock(skew)}.")


def _said_of_clock(skew: timedelta | None) -> str:
    """Say by how much this machine's clock differs from the provider's; runs allow for it."""
    if skew is None:
        return "it does not tell the time"
    if abs(skew) < _SKEW_TO_SAY:
        return "this machine's clock agrees with its"
    # Without the fraction, which is not known.
    ahead = timedelta(seconds=int(abs(skew).total_seconds()))
    return (
        f"this machine's clock is {ahead} {'ahead of' if skew > timedelta(0) else 'behind'} its, "
        "which runs allow for; set it right all the same"
    )


async def _balance(settings: Settings) -> tuple[int | None, timedelta | None]:
    from pydantic import SecretStr

    from tasks.wavespeed.client import WaveSpeed

    async with (
        asyncio.timeout(_BALANCE_SECONDS),
        WaveSpeed(
            api_key=settings.wavespeed_api_key or SecretStr(""),
            base_url=settings.wavespeed_base_url,
            now=utc_now,
        ) as client,
    ):
        return await client.balance(), client.clock.skew()


def _buckets(settings: Settings) -> Finding:
    from tasks.storage.s3.client import find
    from tasks.storage.s3.errors import S3_ERRORS, reason_of

    try:
        found = find()
    except S3_ERRORS as error:
        return _problem("buckets", f"{reason_of(error)}.")
    if found is None:
        said = "no credentials; only public buckets can be read (see boto3's documentation)."
        return _ok("buckets", said)
    if found.expires_at is None:
        return _ok("buckets", f"credentials were found ({found.method}).")
    left = found.expires_at - utc_now()
    said = f"credentials were found ({found.method}); they expire at {found.expires_at:%H:%M} UTC"
    if left >= timedelta(hours=settings.link_hours):
        return _ok("buckets", f"{said}.")
    return _warning(
        "buckets",
        f"{said}, sooner than the {settings.link_hours:g} hours that links are to last "
        "(REELCAT_LINK_HOURS); links end with them unless they can be renewed.",
    )
