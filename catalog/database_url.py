"""Addresses of catalogs: read here alone, so that every command means the same place.

Takes an address apart without SQLAlchemy, which looking at a catalog does without. No sentence
repeats an address that could not be taken apart: nobody knows where in it a password is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from catalog.errors import CatalogError

_SCHEME = re.compile(
    r"\s*(?P<name>[A-Za-z][A-Za-z0-9]*)(?:\+(?P<driver>\w*))?:(?P<rest>.*)", re.DOTALL
)
_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s:/?#\[\]@]*))(?::(?P<port>[0-9]{0,5}))?"
)
_EXAMPLES = "sqlite:///reelcat.db or postgresql://user@host/name"
_NO_ADDRESS = (
    f"This is no address of a catalog, which looks like {_EXAMPLES}; correct "
    "REELCAT_DATABASE_URL, or what the command names."
)
_AMBIGUOUS = (
    "The catalog's address cannot be taken apart: a sign such as @ : / # ? in its user or password "
    "is written %40 %3A %2F %23 %3F; write it so in REELCAT_DATABASE_URL, or keep the password in "
    "PGPASSWORD or a PGPASSFILE."
)
_POSTGRESQL = frozenset({"postgresql", "postgres"})
_DRIVERS = {"sqlite": ("pysqlite",), "postgresql": ("psycopg",)}
#: What a `file:` address may ask for and still mean an ordinary catalog.
_USUAL = {"uri": {"true", "1"}, "mode": {"rw", "rwc"}}
_HIDDEN = ("password", "secret", "token", "key")
#: The only options that may be given more than once: one for each server.
_SEVERAL = frozenset({"host", "port"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SqliteAddress:
    """A file."""

    #: As it was named, so relative to the current folder or absolute.
    path: str

    @property
    def shown(self) -> str:
        """For people."""
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresqlAddress:
    """A database on a server."""

    user: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str | None
    #: What libpq is told besides, in the order of the address.
    options: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> str:
        """For people: without a password, wherever in the address it stands."""
        user = "" if self.user is None else quote(self.user, safe=" +")
        hidden = "" if self.password is None else ":***"
        mark = "@" if user or hidden else ""
        host = self.host or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if self.port is None else f":{self.port}"
        options = [(name, _hidden(name, value)) for name, value in self.options]
        query = f"?{urlencode(options, safe='*/:')}" if options else ""
        return f"postgresql://{user}{hidden}{mark}{host}{port}/{self.database or ''}{query}"


Address = SqliteAddress | PostgresqlAddress


def parse_address(text: str) -> Address:
    """Take an address apart.

    Raises:
        CatalogError: if it is none, with what to write instead.

    >>> parse_address("sqlite:///films/reelcat.db")
    SqliteAddress(path='films/reelcat.db')
    >>> parse_address("postgres://me:p@ss@db.example/reelcat").shown
    'postgresql://me:***@db.example/reelcat'
    """
    match = _SCHEME.fullmatch(text.rstrip())
    if match is None or not match["rest"].startswith("//") or "\0" in text:
        raise CatalogError(_NO_ADDRESS)
    name = match["name"].lower()
    name = "postgresql" if name in _POSTGRESQL else name
    if name not in _DRIVERS:
        raise CatalogError(
            f"A catalog lives in SQLite or PostgreSQL, not in {name}; write {_EXAMPLES}."
        )
    driver = match["driver"]
    if driver is not None and driver.lower() not in _DRIVERS[name]:
        raise CatalogError(
            f"reelcat does not open {name} with the driver {driver}; write {name}:// without it."
        )
    rest = match["rest"].removeprefix("//")
    return _sqlite(rest) if name == "sqlite" else _postgresql(rest)


def _sqlite(rest: str) -> SqliteAddress:
    if rest and not rest.startswith("/"):
        raise CatalogError(
            "A catalog in SQLite is named with three slashes, sqlite:///reelcat.db, or with four "
            "before a path from the root, sqlite:////films/reelcat.db; correct the address."
        )
    path, mark, query = rest.removeprefix("/").partition("?")
    if path.startswith("file:"):
        path = _path_of_file_uri(path)
    if mark and any(
        value.lower() not in _USUAL.get(name, ())
        for name, value in parse_qsl(query, keep_blank_values=True) or [("", "")]
    ):
        raise CatalogError(
            "A catalog in SQLite takes nothing behind a ?; name its file alone, as in "
            "sqlite:///reelcat.db, and take away the right to write the file if it is to be "
            "read-only."
        )
    if path.startswith("~"):
        try:
            path = str(Path(path).expanduser())
        except RuntimeError:
            raise CatalogError(
                "The home folder that ~ stands for in the catalog's address is not known; write "
                "the whole path, sqlite:////films/reelcat.db."
            ) from None
    if "\0" in path:
        raise CatalogError(_NO_ADDRESS)
    if path.strip() in {"", ":memory:"}:
        raise CatalogError("A catalog in memory keeps nothing; name a file, sqlite:///reelcat.db.")
    return SqliteAddress(path=path)


def _path_of_file_uri(uri: str) -> str:
    path = uri.removeprefix("file:")
    if path.startswith("//"):  # a host, which can only be this one
        host, slash, below = path.removeprefix("//").partition("/")
        if host not in {"", "localhost"}:
            raise CatalogError(
                "A catalog in SQLite lies on this machine; write sqlite:////path/reelcat.db."
            )
        path = slash + below
    return unquote(path, errors="surrogateescape")


def _postgresql(rest: str) -> PostgresqlAddress:
    user, password, place = _credentials(rest)
    place, _, query = place.partition("?")
    server, _, database = place.partition("/")
    match = _HOST.fullmatch(server)
    port = int(match["port"]) if match is not None and match["port"] else None
    if match is None or not (port is None or 0 < port < 65_536) or "#" in place:
        raise CatalogError(_AMBIGUOUS)
    options = tuple(parse_qsl(query, keep_blank_values=True))
    _require_no_repetition([name for name, _ in options])
    return PostgresqlAddress(
        user=user,
        password=password,
        host=match["ipv6"] or match["host"] or None,
        port=port,
        database=unquote(database) or None,
        options=options,
    )


def _require_no_repetition(names: Sequence[str]) -> None:
    """Refuse an option that is there twice: two readers might take different ones."""
    for name in names:
        if name not in _SEVERAL and names.count(name) > 1:
            raise CatalogError(
                "The catalog's address holds one of its options more than once; write each option "
                "behind the ? once."
            )


def _credentials(rest: str) -> tuple[str | None, str | None, str]:
    """Give user, password, and what is behind them.

    The last @ ends a password that has more of them in it, unless it may be part of what follows.
    """
    first, last = rest.find("@"), rest.rfind("@")
    if first < 0:
        return None, None, rest
    if first != last and set(rest[first:last]) & set("/?#"):
        raise CatalogError(_AMBIGUOUS)
    user, colon, password = rest[:last].partition(":")
    if set(user) & set("/?#"):  # the @ belongs to what follows, or to nobody
        raise CatalogError(_AMBIGUOUS)
    return unquote(user) or None, unquote(password) if colon else None, rest[last + 1 :]


def _hidden(name: str, value: str) -> str:
    return "***" if any(part in name.lower() for part in _HIDDEN) else value
