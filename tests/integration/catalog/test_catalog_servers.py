"""PostgreSQL as others set it up: pools, roles, and settings of the environment."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from catalog.database import connect, require_makeable, require_writable
from catalog.errors import CatalogError, CatalogReadOnly


@pytest.fixture
def url(postgresql_shelf):
    made = postgresql_shelf.made()
    yield made
    postgresql_shelf.drop(made)


def test_no_session_is_asked_to_remember_a_statement(url):
    with closing(connect(url)) as catalog:
        for number in range(12):
            catalog.write(
                lambda s, n=number: s.execute(
                    sa.text("SELECT count(*) FROM videos WHERE id = :n"), {"n": n}
                )
            )
        with catalog.read() as session:
            kept = session.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements"))
            locks = session.scalar(
                sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            )
    assert (kept, locks) == (0, 0)


@pytest.mark.parametrize(
    "options", ["-c datestyle=German", "-c timezone=Asia/Kolkata", "-c client_encoding=SQL_ASCII"]
)
def test_what_the_environment_tells_libpq_changes_no_value(url, options, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", options)
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with closing(connect(url)) as catalog, catalog.read() as session:
        row = session.execute(sa.text("SELECT CAST('日本' AS text), to_timestamp(86400)")).one()
    assert tuple(row) == ("日本", datetime(1970, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    "option", ["foo=bar", "connect_timeout=abc", "sslmode=nonsense", "service=nowhere"]
)
def test_an_option_that_makes_no_sense_is_one_sentence(url, option):
    with (
        closing(connect(f"{url}&{option}")) as catalog,
        pytest.raises(CatalogError, match="cannot be used"),
        catalog.read() as session,
    ):
        session.execute(sa.text("SELECT 1"))


def test_a_role_that_may_not_write_is_noticed_without_writing(url):
    role = f"reader_{os.urandom(4).hex()}"
    reader = url.replace("postgres:@", f"{role}:@")
    assert reader != url
    with closing(connect(url)) as owner, closing(connect(reader)) as catalog:

        def grant(*statements: str) -> None:
            with owner.engine.begin() as connection:
                for statement in statements:
                    connection.execute(sa.text(statement))

        require_writable(owner)
        grant(f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        try:
            with pytest.raises(CatalogError, match="grant"):
                require_writable(catalog)
            grant(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
            with pytest.raises(CatalogError, match="grant"):
                require_writable(catalog)
            grant(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
            require_writable(catalog)
            grant(f"ALTER ROLE {role} SET default_transaction_read_only = on")
            catalog.close()
            with pytest.raises(CatalogReadOnly):
                require_writable(catalog)
            with pytest.raises(CatalogReadOnly):
                require_makeable(catalog)
        finally:
            catalog.close()
            grant(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
