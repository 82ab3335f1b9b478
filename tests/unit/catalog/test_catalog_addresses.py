"""Addresses of catalogs: what they mean, and what of them is shown."""

from __future__ import annotations

import pytest

from catalog.database_url import PostgresqlAddress, SqliteAddress, parse_address
from catalog.errors import CatalogError

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///reelcat.db", "reelcat.db"),
        ("sqlite:////films/reelcat.db", "/films/reelcat.db"),
        ("sqlite:///two words.db", "two words.db"),
        ("sqlite:///a%20b.db", "a%20b.db"),
        ("sqlite:///ümlaut#1.db", "ümlaut#1.db"),
        ("  SQLite+pysqlite:///reelcat.db\n", "reelcat.db"),
        ("sqlite:///file:a%20b.db?uri=true", "a b.db"),
        ("sqlite:///file:///films/r.db?mode=rwc&uri=true", "/films/r.db"),
        ("sqlite:///file://localhost/films/r.db?uri=true", "/films/r.db"),
    ],
)
def test_a_file_is_named_in_several_ways(text, path):
    assert parse_address(text) == SqliteAddress(path=path)


def test_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse_address("sqlite:///~/r.db") == SqliteAddress(path="/home/ada/r.db")


@pytest.mark.parametrize(
    ("text", "password"),
    [
        (f"postgresql://me:{SECRET}@db/reelcat", SECRET),
        (f"postgres://me:{SECRET}@db/reelcat", SECRET),
        (f"postgresql+psycopg://me:p%40{SECRET}@db/reelcat", f"p@{SECRET}"),
        (f"postgresql://me:p@{SECRET}@db/reelcat", f"p@{SECRET}"),
        (f"postgresql://me:p:{SECRET}@db/reelcat", f"p:{SECRET}"),
        (f"postgresql://me:p/{SECRET}@db/reelcat", f"p/{SECRET}"),
        (f"postgresql://me:p#{SECRET}@db/reelcat", f"p#{SECRET}"),
        (f"postgresql://me:p?{SECRET}@db/reelcat", f"p?{SECRET}"),
        (f"postgresql://me:p%{SECRET}@db/reelcat", f"p%{SECRET}"),
    ],
)
def test_a_password_may_hold_any_sign_and_is_not_shown(text, password):
    address = parse_address(text)
    assert isinstance(address, PostgresqlAddress)
    assert (address.user, address.password, address.host) == ("me", password, "db")
    assert address.shown == "postgresql://me:***@db/reelcat"


def test_a_password_among_the_options_is_not_shown():
    address = parse_address(f"postgresql://db/r?user=me&password={SECRET}&sslpassword={SECRET}")
    assert address.shown == "postgresql://db/r?user=me&password=***&sslpassword=***"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "looks like"),
        ("reelcat.db", "looks like"),
        (f"me:{SECRET}@db/reelcat", "looks like"),
        ("sqlite:reelcat.db", "looks like"),
        ("sqlite:///a\0b", "looks like"),
        ("sqlite://", "names? a file"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:///file::memory:?uri=true", "name a file"),
        ("sqlite://reelcat.db", "three slashes"),
        ("sqlite:///reelcat.db?mode=ro", "behind a"),
        ("sqlite:///file:r.db?mode=ro&uri=true", "behind a"),
        ("sqlite:///file://server/r.db?uri=true", "on this machine"),
        ("sqlite+aiosqlite:///reelcat.db", "write sqlite:// without it"),
        (f"postgresql+asyncpg://me:{SECRET}@db/r", "write postgresql:// without it"),
        (f"postgresql+psycopg2://me:{SECRET}@db/r", "write postgresql:// without it"),
        (f"mysql://me:{SECRET}@db/r", "SQLite or PostgreSQL, not in mysql"),
        (f"postgresql://me:{SECRET}", "%40"),
        (f"postgresql://me:p@a/{SECRET}@db/r", "%40"),
        (f"postgresql://me:{SECRET}@a#b@db/r", "%40"),
        (f"postgresql://me/{SECRET}@db/r", "%40"),
        (f"postgresql://me:x@db:{SECRET}/r", "%40"),
        ("postgresql://db:99999/r", "%40"),
        ("postgresql://::1/r", "%40"),
        (f"postgresql://db/r?password={SECRET}&password=", "each option behind the . once"),
        ("postgresql://db/r?sslmode=require&sslmode=disable", "each option behind the . once"),
        ("sqlite:///file:a%00b", "looks like"),
    ],
)
def test_what_is_no_address_is_one_sentence_without_the_address(text, says):
    with pytest.raises(CatalogError, match=says) as caught:
        parse_address(text)
    assert SECRET not in str(caught.value)
