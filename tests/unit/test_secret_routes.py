"""A secret goes to no address that a weaker source named than the one that it comes from."""

from __future__ import annotations

import pytest

from flows.configuration.secret_routes import (
    Strength,
    bucket_loans,
    bucket_trouble,
    database_trouble,
    key_trouble,
)

FOLDER, OWN, ENV, LINE = Strength
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.mark.parametrize("key", Strength)
@pytest.mark.parametrize("address", [None, *Strength])
def test_the_key_goes_to_an_address_of_the_same_or_a_stronger_source(key, address):
    trouble = key_trouble("https://api.example", key=key, address=address, open_to_http=None)
    assert (trouble is None) == (address is None or address >= key)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8700",
        "http://127.8.8.8",
        "http://localhost:1/x",
        "http://LOCALHOST",
        "http://[::1]:8700",
        "HTTPS://api.example",
    ],
)
def test_the_key_goes_over_https_and_to_this_machine(url):
    assert key_trouble(url, key=ENV, address=ENV, open_to_http=None) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.wavespeed.ai",
        "HTTP://api.example",
        " http://api.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.0.0.1@api.example",
        "http://a@api.example@127.0.0.1",
        "http://api.example\\@127.0.0.1",
        "http://api.example#@127.0.0.1",
        "http://[::ffff:8.8.8.8]",
        "http://[::1",
        "http://0.0.0.0.example",
        "http://",
    ],
)
def test_the_key_does_not_go_over_http_to_another_machine_unless_that_was_allowed(url):
    assert "http" in key_trouble(url, key=ENV, address=ENV, open_to_http=None)
    assert "http" in key_trouble(url, key=ENV, address=ENV, open_to_http=FOLDER)
    assert key_trouble(url, key=ENV, address=ENV, open_to_http=ENV) is None


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_ACCESS_KEY_ID": "mine"},
        {"AWS_SECRET_ACCESS_KEY": "mine"},
        {"AWS_SESSION_TOKEN": "mine"},
        {"AWS_SECURITY_TOKEN": "mine"},
        {"AWS_PROFILE": "mine"},
        {"AWS_ROLE_ARN": "mine"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://mine"},
        {"AWS_SHARED_CREDENTIALS_FILE": "/mine"},
    ],
)
@pytest.mark.parametrize("endpoint", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_credentials_are_lent_whole_or_not_at_all(environment, endpoint):
    loans = bucket_loans(environment, KEYS | {"AWS_PROFILE": "theirs", endpoint: "http://theirs"})
    assert loans == {endpoint: "http://theirs"}
    assert endpoint in bucket_trouble(loans)


def test_an_endpoint_comes_whole_from_the_stronger_source():
    written = KEYS | {"AWS_ENDPOINT_URL_S3": "http://theirs"}
    assert bucket_loans({"AWS_ENDPOINT_URL": "http://mine"}, written) == KEYS


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"AWS_PROFILE": "films"},
        {"AWS_ACCESS_KEY_ID": "id"},
        {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_ACCESS_KEY_ID": "id", "AWS_SESSION_TOKEN": "token"},
    ],
)
def test_an_endpoint_of_the_folder_gets_none_but_the_keys_that_are_beside_it(written):
    endpoint = {"AWS_ENDPOINT_URL": "http://theirs"}
    assert bucket_trouble(bucket_loans({}, written | endpoint)) is not None
    assert bucket_trouble(bucket_loans({}, KEYS | endpoint)) is None
    assert bucket_trouble(bucket_loans({}, written)) is None


def test_only_what_is_listed_is_lent():
    listed = KEYS | {"AWS_SESSION_TOKEN": "t", "AWS_REGION": "r", "AWS_DEFAULT_REGION": "r"}
    never = dict.fromkeys(
        (
            *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_ROLE_ARN"),
            *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_DATA_PATH", "AWS_ENDPOINT_URL_STS", "aws_region"),
            *("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ),
        "x",
    )
    assert bucket_loans({}, listed | never) == listed


THEIRS = "postgresql://me@theirs.example/db"


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        (THEIRS, {"PGPASSWORD": "mine"}),
        (THEIRS, {"PGSERVICE": "mine"}),
        ("postgres://theirs.example", {"PGPASSWORD": "mine"}),
        ("postgresql+psycopg://theirs.example/db", {"PGPASSWORD": "mine"}),
        ("postgresql:///db?host=theirs.example", {"PGPASSWORD": "mine"}),
        ("postgresql://:5433/db", {"PGPASSWORD": "mine"}),
        ("postgresql://me:@theirs.example/db", {"PGPASSWORD": "mine"}),
        # one reader takes what is before the last @ for a password, another for a database
        ("postgresql://theirs.example/db:pw@else", {"PGPASSWORD": "mine"}),
        ("postgresql://me:pw@theirs.example/db?service=mine", {}),
        ("postgresql://me@theirs.example/db?passfile=/home/me/.pgpass", {}),
        ("postgresql://me@db.example/db?hostaddr=192.0.2.1", {}),
        ("postgresql:///host=theirs.example", {"PGPASSWORD": "mine"}),
        # as the reader that connects takes them
        (" postgresql://me@theirs.example/db", {"PGPASSWORD": "mine"}),
        ("\tPostgreSQL+psycopg://me@theirs.example/db\n", {"PGPASSWORD": "mine"}),
        ("postgresql://me:pw@theirs.example/db?password=", {"PGPASSWORD": "mine"}),
        ("postgresql://me@theirs.example/db?password=x&password=", {"PGPASSWORD": "mine"}),
        ("postgresql:///db?port=5433", {"PGPASSWORD": "mine"}),
        ("postgresql:///?dbname=host%3Dtheirs.example", {"PGPASSWORD": "mine"}),
        ("no address", {}),
    ],
)
def test_no_password_goes_to_a_server_that_the_folder_names(url, environment, tmp_path):
    assert database_trouble(url, {"HOME": str(tmp_path)} | environment) is not None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:theirs@theirs.example/db",
        "postgresql:///db",
        "postgresql:///db?sslmode=require",
        "sqlite:///reelcat.db",
    ],
)
def test_an_address_with_a_password_of_its_own_or_without_a_server_is_as_good_as_ever(url):
    assert database_trouble(url, {"PGPASSWORD": "mine", "PGSERVICE": "mine"}) is None


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        ("db.example:5432:*:me:pw", True),
        ("# *:*:*:*:pw", True),
        (r"\*:5432:*:me:pw", True),
        ("*:*:*:*:pw", False),
        ("db.example:5432:*:me:pw\n*:5432:db:me:pw", False),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_the_file_of_passwords_gives_them_to_the_hosts_that_it_names(tmp_path, line, goes, named):
    path = tmp_path / ("named" if named else ".pgpass")
    path.write_text(line)
    environment = {"PGPASSFILE": str(path)} if named else {"HOME": str(tmp_path)}
    assert (database_trouble(THEIRS, environment) is None) == goes


def test_a_user_without_a_home_folder_has_no_file_of_passwords():
    assert database_trouble(THEIRS, {"HOME": "~nobody-of-this-name"}) is None
