"""Looking things up starts fast: it never imports what only working needs."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ["prefect", "boto3", "botocore", "av", "httpx", "alembic", "fastapi", "uvicorn", "ffmpeg"]
PROBE = """
import json, sys
from flows.cli.app import execute
heavy, calls = json.loads(sys.argv[1])
codes = [execute(call) for call in calls]
print("\\n" + json.dumps([codes, [name for name in heavy if name in sys.modules]]))
"""

#: What takes long to import and serves what writes, or another database.
ORM = ["sqlalchemy.orm", "sqlalchemy.dialects.postgresql"]


def after(*calls, folder):
    """Give the exit codes of calls in one fresh process, and which heavy packages they loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([[*HEAVY, *ORM, "sqlalchemy"], calls])],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_reading_imports_nothing_heavy_and_of_sqlalchemy_no_orm(
    tmp_path, sqlite_shelf, monkeypatch
):
    monkeypatch.setenv("REELCAT_DATABASE_URL", sqlite_shelf.made())
    calls = [["search", "boat"], ["show", "boat"], ["status"], ["export"], ["budget"]]
    codes, loaded = after(*calls, folder=tmp_path)
    assert codes == [0, 2, 0, 0, 0]
    assert loaded == ["sqlalchemy"]


def test_help_imports_not_even_the_database(tmp_path):
    codes, loaded = after(["--help"], ["run", "--help"], ["--version"], folder=tmp_path)
    assert (codes, loaded) == ([0, 0, 0], [])
