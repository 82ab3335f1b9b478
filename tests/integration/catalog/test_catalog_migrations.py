"""How a catalog comes to the tables that this code needs, and what is said when it cannot."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from catalog_rows import FOLDER, listing, record, register, start_run, wanted_analyses
from catalogs import config, migrate
from sqlalchemy import event, inspect, select, text

from catalog import HEAD, schema
from catalog.database import connect
from catalog.errors import (
    CatalogError,
    CatalogFull,
    CatalogNotOurs,
    CatalogReadOnly,
    CatalogTooNew,
    ReelcatError,
)
from catalog.models import Analysis, Base, SearchDocument


def sentence(error: ReelcatError) -> str:
    """Give what a person is told, which is one line that ends like a sentence."""
    told = str(error)
    assert "\n" not in told
    assert told.endswith(".")
    return told


def test_the_code_needs_the_newest_migration_of_the_folder():
    assert ScriptDirectory.from_config(config()).get_heads() == [HEAD]


def test_migrations_are_numbered_one_after_the_other():
    revisions = [one.revision for one in ScriptDirectory.from_config(config()).walk_revisions()]
    assert revisions[::-1] == [f"{number:04}" for number in range(1, len(revisions) + 1)]


def test_a_catalog_makes_itself_from_nothing_and_opens_again(empty_url):
    with closing(schema.open_catalog(empty_url)) as made:
        assert schema.current(made) == HEAD
        wanted_analyses(made, 2)
    with closing(schema.open_catalog(empty_url)) as again, again.read() as session:
        assert len(session.scalars(select(Analysis)).all()) == 2


def test_a_new_file_is_its_owners_alone_and_so_is_all_beside_it(tmp_path):
    before = os.umask(0o022)
    try:
        with closing(schema.open_catalog(f"sqlite:///{tmp_path}/reelcat.db")) as made:
            start_run(made, "run", None)
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["reelcat.db", "reelcat.db-wal", "reelcat.db-shm"], 0o600)


def test_a_file_that_others_were_let_in_to_stays_open_to_them(sqlite_shelf):
    url = sqlite_shelf.made()
    path = Path(url.removeprefix("sqlite:///"))
    path.chmod(0o660)
    with closing(schema.open_catalog(url)) as shared:
        start_run(shared, "run", None)
        assert path.stat().st_mode & 0o777 == 0o660
        assert Path(f"{path}-wal").stat().st_mode & 0o777 == 0o660


def test_a_password_is_never_shown_wherever_in_an_address_it_stands():
    for url in ("postgresql://me:s3cret@host/db", "postgresql://me@host/db?password=s3cret"):
        with closing(connect(url)) as catalog:
            assert "s3cret" not in catalog.shown_url
            assert "***" in catalog.shown_url


def test_the_tables_are_what_the_models_declare(catalog):
    migrate(catalog, command.check)


def test_the_tables_go_away_and_come_back(catalog):
    wanted_analyses(catalog, 3)
    migrate(catalog, command.downgrade, "base")
    assert inspect(catalog.engine).get_table_names() == ["alembic_version"]
    migrate(catalog, command.upgrade, "head")
    assert set(inspect(catalog.engine).get_table_names()) >= set(Base.metadata.tables)
    wanted_analyses(catalog, 3)
    with catalog.read() as session:
        assert len(session.scalars(select(SearchDocument)).all()) == 3


def test_an_upgrade_of_what_is_new_enough_changes_nothing(catalog):
    start_run(catalog, "run", None)
    assert schema.upgrade(catalog) == HEAD
    with catalog.read() as session:
        assert session.scalar(text("SELECT count(*) FROM runs")) == 1


def set_version(catalog, version) -> None:
    with catalog.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})


@pytest.mark.parametrize("opened", [schema.open_catalog, schema.open_existing, schema.look])
def test_a_catalog_of_a_newer_reelcat_is_left_alone(catalog, catalog_url, opened):
    set_version(catalog, "9999")
    with pytest.raises(CatalogTooNew) as told:
        opened(catalog_url)
    assert "upgrade reelcat" in sentence(told.value)


def test_an_older_catalog_asks_to_be_upgraded(catalog, catalog_url):
    set_version(catalog, "0000")
    with pytest.raises(CatalogError, match="reelcat db upgrade") as told:
        schema.open_catalog(catalog_url)
    assert "0000" in sentence(told.value)


@pytest.mark.parametrize("opened", [schema.open_catalog, schema.open_existing, schema.look])
def test_another_programs_database_is_left_alone(empty_url, opened):
    with closing(connect(empty_url)) as theirs, theirs.engine.begin() as connection:
        connection.execute(text("CREATE TABLE recipes (name text)"))
    with pytest.raises(CatalogNotOurs) as told:
        opened(empty_url)
    assert "REELCAT_DATABASE_URL" in sentence(told.value)
    with closing(connect(empty_url)) as theirs:
        assert inspect(theirs.engine).get_table_names() == ["recipes"]


def test_a_look_at_a_catalog_that_is_not_there_makes_none(tmp_path):
    url = f"sqlite:///{tmp_path}/none.db"
    assert schema.look(url) == (url, None)
    with pytest.raises(CatalogError, match="no catalog"):
        schema.open_existing(url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opened", [schema.open_catalog, schema.open_existing])
def test_a_file_that_is_no_database_is_not_ours(tmp_path, opened):
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" * 500)
    with pytest.raises(CatalogNotOurs) as told:
        opened(f"sqlite:///{tmp_path}/film.mp4")
    assert "film.mp4 is not a reelcat catalog" in sentence(told.value)


def test_a_damaged_catalog_is_called_damaged(sqlite_shelf):
    url = sqlite_shelf.made()
    path = Path(url.removeprefix("sqlite:///"))
    with closing(connect(url)) as whole:
        wanted_analyses(whole, 300)
    whole_size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (whole_size - 8192))
    with pytest.raises(CatalogError) as told, closing(schema.open_catalog(url)) as damaged:
        wanted_analyses(damaged, 400)
    assert "damaged" in sentence(told.value)
    assert "backup" in sentence(told.value)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(CatalogError) as told:
        schema.open_catalog(f"sqlite:///{tmp_path}/no/such/reelcat.db")
    assert f"{tmp_path}/no/such" in sentence(told.value)


def test_a_folder_cannot_be_opened_as_a_catalog(tmp_path):
    with pytest.raises(CatalogError) as told:
        schema.open_catalog(f"sqlite:///{tmp_path}")
    assert "is a folder; name a file in it" in sentence(told.value)


def test_what_is_no_ordinary_file_cannot_be_opened_as_a_catalog(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (os.devnull, f"{tmp_path}/pipe"):
        with pytest.raises(CatalogError) as told:
            schema.open_catalog(f"sqlite:///{path}")
        assert "is no ordinary file" in sentence(told.value)


def test_a_full_disk_is_called_full_and_what_was_there_stays(sqlite_shelf):
    url = sqlite_shelf.made()
    with closing(connect(url)) as catalog:

        @event.listens_for(catalog.engine, "connect")
        def make_the_disk_small(connection, _):
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 3}")

        scope = register(catalog)
        with pytest.raises(CatalogFull) as told:
            record(catalog, scope, [listing(f"{FOLDER}/{number}.mp4") for number in range(2000)])
        assert "free some room" in sentence(told.value)
        with catalog.read() as session:
            assert session.scalar(text("SELECT count(*) FROM locations")) == 0
            assert session.scalar(text("SELECT count(*) FROM sources")) == 1


def _become_somebody_else() -> None:
    """Give up root, which no permission stops."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)


def _write_as_somebody_else(url: str, answers) -> None:
    _become_somebody_else()
    try:
        with closing(schema.open_catalog(url)) as catalog:
            start_run(catalog, "run", None)
        answers.put("written")
    except ReelcatError as error:
        answers.put((type(error).__name__, str(error)))


@pytest.fixture
def public_folder():
    """A folder that other users can reach, as pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="reelcat-read-only-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_catalog_that_may_only_be_read_is_called_read_only(sqlite_shelf, public_folder):
    path = public_folder / "reelcat.db"
    shutil.copyfile(sqlite_shelf.made().removeprefix("sqlite:///"), path)
    path.chmod(0o444)
    public_folder.chmod(0o555)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=_write_as_somebody_else, args=(f"sqlite:///{path}", answers))
    child.start()
    kind, told = answers.get(timeout=30)
    child.join(30)
    assert kind == CatalogReadOnly.__name__
    assert "is read-only" in told


def test_a_catalog_on_a_standby_server_is_called_read_only(postgresql_shelf):
    url = postgresql_shelf.made()
    with closing(connect(f"{url}&options=-c%20default_transaction_read_only%3Don")) as standby:
        with pytest.raises(CatalogReadOnly) as told:
            start_run(standby, "run", None)
        assert "takes writes" in sentence(told.value)
    postgresql_shelf.drop(url)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "reelcat.db",
        "mysql://user@host/name",
        "sqlite+nosuch:///reelcat.db",
    ],
)
def test_a_url_that_makes_no_sense_is_refused_with_what_would(url):
    with pytest.raises(CatalogError) as told:
        schema.open_catalog(url)
    assert "sqlite" in sentence(told.value).lower()


def test_a_driver_that_is_not_installed_is_named_with_what_to_install():
    with pytest.raises(CatalogError) as told:
        schema.open_catalog("postgresql+pg8000://user@host/name")
    assert "pg8000" in sentence(told.value)
    assert "postgres" in str(told.value)


def test_a_user_without_rights_is_told_so(postgresql_shelf):
    url = postgresql_shelf.made()
    with closing(connect(url)) as catalog, catalog.engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS guest"))
        connection.execute(text("CREATE ROLE guest"))
    with (
        closing(connect(f"{url}&options=-c%20role%3Dguest")) as catalog,
        pytest.raises(CatalogError) as told,
    ):
        start_run(catalog, "run", None)
    assert "may not use" in sentence(told.value)
    postgresql_shelf.drop(url)


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path):
    url = f"postgresql://me:s3cret@/reelcat?host={tmp_path}"
    with pytest.raises(CatalogError) as told:
        schema.open_catalog(url)
    assert "s3cret" not in sentence(told.value)
    assert "/reelcat" in str(told.value)


def _look_as_somebody_else(url: str, answers) -> None:
    _become_somebody_else()
    try:
        with closing(schema.open_existing(url)) as catalog, catalog.snapshot():
            answers.put("seen")
    except Exception as error:  # noqa: BLE001 - which one it is, is what is tested
        answers.put((type(error).__name__, str(error)))


@pytest.mark.parametrize("locked", ["the file", "its folder"])
def test_a_catalog_that_may_not_even_be_read_is_named(sqlite_shelf, public_folder, locked):
    path = public_folder / "reelcat.db"
    shutil.copyfile(sqlite_shelf.made().removeprefix("sqlite:///"), path)
    (path if locked == "the file" else public_folder).chmod(0)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=_look_as_somebody_else, args=(f"sqlite:///{path}", answers))
    child.start()
    kind, told = answers.get(timeout=30)
    child.join(30)
    assert kind == CatalogError.__name__
    assert "see its permissions" in told
