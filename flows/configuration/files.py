"""The files of the current folder that settings may come from, and what is taken from them.

The folder may be anybody's: an archive, often. A file is read only if nobody but the user and root
can change it (`flows.configuration.ownership`). Even then it may have come out of somebody's
package, so only settings are taken from it, and none that makes a library run or read anything
else.

Light: looking at a catalog asks this.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from catalog.errors import SettingsError
from flows.configuration.ownership import why_changeable, why_open_file_changeable

DOTENV, TOML = ".env", "reelcat.toml"

#: What is taken from `.env`, besides all that begins with REELCAT_. Credential files, CA files,
#: roles, and what is Prefect's or PostgreSQL's own is not.
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
LENT = frozenset({*CREDENTIALS, *ENDPOINTS, *REGIONS})
_PREFIX = "REELCAT_"
_PROVIDER = frozenset({"WAVESPEED_API_KEY", "WAVESPEED_BASE_URL"})

#: Who writes one of these means a library that reelcat uses.
_LIBRARIES = ("AWS_", "PREFECT_", "PG", "SSL_CERT_", "FFREPORT")

#: A run that went on without one of these would be another run than the one that was meant.
_DECIDING = frozenset(
    {*_PROVIDER, *CREDENTIALS, *ENDPOINTS, "REELCAT_DATABASE_URL", "REELCAT_WAVESPEED_KEY_BLOCK"}
)

#: Of the environment, what a value in `.env` may be put together from. Anything else there may be
#: a secret, and the value an address.
_HARMLESS = frozenset({"HOME", "USER", "LOGNAME", "PWD", "HOSTNAME"})

#: What a file of settings may hold, and one that others can change: that one is parsed only to tell
#: what it would have set. Parsers take long over long lines.
_MOST_BYTES = 256 * 1024
_MOST_REFUSED = 16 * 1024
_LONGEST_LINE = 16 * 1024
#: Of one value in `.env`, as it is written and as it is put together.
_LONGEST_VALUE = 8 * 1024
_MOST_VARIABLES = 100
_BLANKS = re.compile(r"[^\S\r\n]+")
_MOST_BLANKS = 256
_MOST_DOTS = 200

#: What Prefect looks for in the folder in which it is imported; reelcat imports it elsewhere.
_OF_PREFECT = "prefect.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A file that was not read."""

    name: str
    #: Why, as a sentence goes on after the file's name.
    reason: str
    #: What it would have set, as in the environment; None if that cannot be told.
    names: frozenset[str] | None

    def __str__(self) -> str:
        """Say so, and what to do."""
        return (
            f"{self.name} was not read: {self.reason}. Let it and its folder belong to you or "
            "root, and nobody else write them; or set what it says in the environment."
        )

    def decides(self, environment: Mapping[str, str]) -> bool:
        """Tell whether it would have set the key, an address or the catalog."""
        if self.names is None:
            return True
        given = {
            name.upper()
            for name, value in environment.items()
            if value or not name.upper().startswith(_PREFIX)
        }
        return bool((self.names & _DECIDING) - given)


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderFiles:
    """What the files of the current folder say."""

    #: What is taken from `.env`, as it is written there.
    variables: dict[str, str | None] = field(default_factory=dict)
    #: What reelcat.toml says.
    toml: dict[str, Any] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    #: Every name that `.env` sets, taken or not.
    names: tuple[str, ...] = ()
    #: Everything that was not read or not taken, in sentences that say why.
    unread: tuple[str, ...] = ()


def read_folder_files() -> FolderFiles:
    """Read both files, as far as they are trusted.

    Raises:
        SettingsError: a trusted one cannot be read, or makes no sense.
    """
    dotenv, toml = _read(DOTENV), _read(TOML)
    refused = tuple(one for one in (dotenv, toml) if isinstance(one, Refused))
    written = _written(dotenv) if isinstance(dotenv, str) else {}
    taken = {name: value for name, value in written.items() if _is_taken(name)}
    passed_over = tuple(name for name in written if name not in taken and _is_a_librarys(name))
    return FolderFiles(
        variables=dict(_put_together(taken, written)),
        toml=_parsed(toml) if isinstance(toml, str) else {},
        refused=refused,
        names=tuple(written),
        unread=(*map(str, refused), *_not_taken(passed_over)),
    )


def cannot_be_read(name: str, error: OSError | ValueError | RecursionError) -> SettingsError:
    """Say that a file of settings cannot be read, and why."""
    reason = error.strerror if isinstance(error, OSError) else error
    return SettingsError(f"{name} cannot be read: {reason}.")


def _is_taken(name: str) -> bool:
    return name in LENT or name.upper() in _PROVIDER or name.upper().startswith(_PREFIX)


def _read(name: str) -> str | Refused | None:
    """Give a file's text; None if there is none, or a folder of its name."""
    reason: str | None = None
    try:
        if not Path(name).exists() or Path(name).is_dir() or _is_nothing(name):
            return None
        reason = why_changeable(Path(name))
        text, trouble = _text_of(name)
    except (OSError, ValueError) as error:
        if reason is None:
            raise cannot_be_read(name, error) from None
        return Refused(name=name, reason=reason, names=None)
    reason = reason or trouble
    if reason is None:
        return text
    return Refused(name=name, reason=reason, names=_names(name, text))


def _is_nothing(name: str) -> bool:
    """Tell whether a file was hidden by putting the null device in its place."""
    try:
        return os.path.samefile(name, os.devnull)  # noqa: PTH121 - devnull is a string
    except OSError:
        return False


def _text_of(name: str) -> tuple[str, str | None]:
    """Read a regular file from one descriptor; say why others can change what was opened."""
    path = os.path.realpath(name)
    if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a pipe waits, a device does something
        raise ValueError("it is no regular file")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        trouble = why_open_file_changeable(file.fileno())
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    if b"\0" in content:
        raise ValueError("it holds characters that no settings have")
    if len(max(content.splitlines(), key=len, default=b"")) > _LONGEST_LINE:
        raise ValueError(f"a line is longer than {_LONGEST_LINE:,} bytes")
    text = content.decode("utf-8")
    if any(len(found[0]) > _MOST_BLANKS for found in _BLANKS.finditer(text)):
        raise ValueError(f"a line holds more than {_MOST_BLANKS} blanks in a row")
    return text, None if trouble is None else f"it {trouble}"


def _names(name: str, text: str) -> frozenset[str] | None:
    """Give what a file that is not read would have set; None if that cannot be told."""
    if len(text.encode()) > _MOST_REFUSED:
        return None
    try:
        said: Mapping[str, Any] = _written(text) if name == DOTENV else _parsed(text)
    except SettingsError:
        return None
    return frozenset(
        _as_variable(key) for key, value in said.items() if value is not None and value != ""
    )


def _as_variable(key: str) -> str:
    upper = key.upper()
    bare = upper.removeprefix(_PREFIX)
    if bare in _PROVIDER or upper.startswith("AWS_"):
        return bare
    return f"{_PREFIX}{bare}"


@lru_cache(maxsize=1)
def _written(text: str) -> Mapping[str, str | None]:
    """Parse the file once: python-dotenv warns of each strange statement each time."""
    from dotenv import dotenv_values  # noqa: PLC0415 - only where there is such a file

    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def _put_together(
    taken: Mapping[str, str | None], written: Mapping[str, str | None]
) -> Iterator[tuple[str, str | None]]:
    """Replace `${NAME}` in values by what the file itself says, or a harmless variable."""
    from dotenv.variables import Variable, parse_variables  # noqa: PLC0415 - as above

    known: dict[str, str | None] = {n: os.environ[n] for n in _HARMLESS if n in os.environ}
    for name, value in written.items():
        whole = value
        _require_short(name, value)
        if value is not None and value.count("${") > _MOST_VARIABLES:
            raise SettingsError(
                f"{DOTENV}: {name[:80]} names more than {_MOST_VARIABLES} variables; write its "
                "value out."
            )
        if value is not None and "${" in value:
            atoms = list(parse_variables(value))
            for atom in atoms:
                if not isinstance(atom, Variable) or name not in taken:
                    continue
                if atom.name not in known and atom.name in os.environ:
                    raise SettingsError(
                        f"{DOTENV}: {name} takes {atom.name} from the environment, where secrets "
                        f"are; write its value out, or set {name} in the environment."
                    )
            whole = "".join(atom.resolve(known) for atom in atoms)
            _require_short(name, whole)
        known[name] = whole
        if name in taken:
            yield name, whole


def _require_short(name: str, value: str | None) -> None:
    if value is not None and len(value) > _LONGEST_VALUE:
        raise SettingsError(
            f"{DOTENV}: {name[:80]} holds more than {_LONGEST_VALUE:,} characters; shorten it."
        )


def _parsed(text: str) -> dict[str, Any]:
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise SettingsError(
            f"{TOML} cannot be read: a line holds more than {_MOST_DOTS} dots; write it as several."
        )
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise cannot_be_read(TOML, error) from None


def _not_taken(names: tuple[str, ...]) -> Iterator[str]:
    if names:
        yield (
            f"{', '.join(names)} of {DOTENV} was not taken: a file of the current folder may not "
            "say what libraries read or run; set it in the environment."
        )
    if Path(_OF_PREFECT).is_file():
        yield (
            f"{_OF_PREFECT} was not read: Prefect takes its settings from the environment and from "
            "its profile; set them there."
        )


def _is_a_librarys(name: str) -> bool:
    return name.upper().startswith(_LIBRARIES)
