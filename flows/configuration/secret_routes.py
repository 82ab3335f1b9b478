"""Which secret may be sent to which address.

A secret never goes to an address that a weaker source named than the one that the secret comes
from: command line > environment > a file of the user's own > a file of the current folder. An
address that is built in is never weaker. Decides only; nothing is sent or read here but the names
of hosts in the user's file of passwords.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from catalog.database_url import PostgresqlAddress, parse_address
from catalog.errors import CatalogError
from flows.configuration.files import CREDENTIALS, DOTENV, ENDPOINTS, LENT


class Strength(enum.IntEnum):
    """How far a source can be trusted."""

    FOLDER = 0
    OWN_FILE = 1
    ENVIRONMENT = 2
    COMMAND_LINE = 3


#: Further variables from which boto3 takes credentials, or which say where they are.
_OTHER_CREDENTIALS = (
    *("AWS_SECURITY_TOKEN", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"),
)
#: What makes libpq take a password, or another host, from elsewhere than the address says.
_MISLEADING = frozenset({"passfile", "service", "servicefile", "hostaddr"})


def key_trouble(
    url: str, *, key: Strength, address: Strength | None, open_to_http: Strength | None
) -> str | None:
    """Say why the key may not go to the provider's address; None if it may.

    `address` is None for the built-in one; `open_to_http` is None unless plain HTTP was allowed.
    """
    if address is not None and address < key:
        return (
            "this address comes from a file of the current folder and the key does not, and would "
            "be sent to it; set both in the same place"
        )
    scheme, host = _scheme_and_host(url)
    if scheme != "http" or _is_loopback(host):
        return None
    if open_to_http is not None and open_to_http >= key:
        return None
    return (
        "the key is not sent over http except on this machine; write https, or set "
        "REELCAT_ALLOW_HTTP=true for a rehearsal, where the key is"
    )


def _scheme_and_host(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
    except ValueError:
        return url.partition(":")[0].strip().lower(), ""
    ambiguous = parts.netloc.count("@") > 1 or set(parts.netloc) & set("\\ \t")
    return parts.scheme, "" if ambiguous else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bucket_loans(
    environment: Mapping[str, str], written: Mapping[str, str | None]
) -> dict[str, str]:
    """Give what boto3 is lent of `.env`: what belongs together comes from one source.

    >>> bucket_loans({"AWS_PROFILE": "mine"}, {"AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-1"})
    {'AWS_REGION': 'eu-1'}
    """
    loans = {n: v for n, v in written.items() if n in LENT and v and n not in environment}
    for group, asked in (
        (CREDENTIALS, (*CREDENTIALS, *_OTHER_CREDENTIALS)),
        (ENDPOINTS, ENDPOINTS),
    ):
        if any(name in environment for name in asked):
            loans = {name: value for name, value in loans.items() if name not in group}
    return loans


def bucket_trouble(loans: Mapping[str, str]) -> str | None:
    """Say why credentials for buckets may not go to the endpoint; None if they may."""
    named = [name for name in ENDPOINTS if name in loans]
    if not named or {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= loans.keys():
        return None
    return (
        f"{named[0]} comes from {DOTENV} of the current folder, and the credentials that would be "
        "used there do not; set both in the same place"
    )


def database_trouble(url: str, environment: Mapping[str, str]) -> str | None:
    """Say why a password may not go to a database that a file of the folder names.

    A password in the address is the address's own. The user's file of passwords names the hosts
    that each is for; one that is for any host is for none that the folder names.
    """
    try:
        address = parse_address(url)  # as whoever connects reads it
    except CatalogError as error:
        return str(error).removesuffix(".")
    if not isinstance(address, PostgresqlAddress):
        return None
    options = dict(address.options)
    misleading = sorted(_MISLEADING & options.keys())
    if misleading:
        return (
            f"an address from a file of the current folder may not hold {misleading[0]}; set it in "
            "the environment"
        )
    # libpq may take such a name for an address
    if set(f"{address.database or ''}{options.get('dbname', '')}") & set("=:"):
        return "a database's name holds no = and no colon; correct it"
    names_a_server = address.host or address.port or {"host", "port"} & options.keys()
    if options.get("password", address.password) or not names_a_server:
        return None  # its own password, or wherever the environment says that the server is
    return _lent_password(environment)


def _lent_password(environment: Mapping[str, str]) -> str | None:
    """Say which password libpq would send to any server; None if there is none."""
    for name in ("PGPASSWORD", "PGSERVICE"):
        if environment.get(name):
            return (
                f"{name} comes from the environment and this address from a file of the current "
                "folder, to which the password would be sent; set both in the same place"
            )
    home: Path | None
    try:
        home = Path(environment.get("HOME") or "~").expanduser()
    except RuntimeError:  # a user without a home folder has no file of passwords in it
        home = None
    named = environment.get("PGPASSFILE") or (home and home / ".pgpass")
    if named is None:
        return None
    passwords = Path(named)
    if not _has_password_for_any_host(passwords):
        return None
    return (
        f"{passwords} has a password for any host, and a file of the current folder names this "
        "one; name the host there, or set the address in the environment"
    )


_HOST = re.compile(r"((?:\\.|[^:\\])*):")


def _has_password_for_any_host(path: Path) -> bool:
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    hosts = (found[1] for line in lines if (found := _HOST.match(line)))
    return "*" in hosts
