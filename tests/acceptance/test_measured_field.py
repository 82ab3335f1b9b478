"""Whoever wants one more thing measured touches three files, and it is everywhere.

A copy of the product gets a field: its declaration, what the prober fills in, and a migration.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clips import Clips
from command import Shell
from repository import PACKAGES, ROOT

from catalog import HEAD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

#: File, the line before which it is written, and what is written there.
DECLARED = (
    "catalog/values.py",
    "    has_audio: Annotated[",
    '    audio_tracks: Annotated[int | None, Measure("sounds to choose from")] = None\n',
)
FILLED = (
    "tasks/media/assemble.py",
    "        has_audio=sound is not None,\n",
    '        audio_tracks=sum(one.kind == "audio" for one in report.streams),\n',
)
MIGRATED = (
    "migrations/versions/9999_count_the_audio_tracks.py",
    f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{HEAD}"
branch_labels = depends_on = None


def upgrade():
    op.add_column("videos", sa.Column("audio_tracks", sa.Integer()))


def downgrade():
    op.drop_column("videos", "audio_tracks")
""",
)


@pytest.fixture(name="product")
def product_with_one_more_field(tmp_path: Path) -> Path:
    copy = tmp_path / "product"
    for folder in (*PACKAGES, "migrations", "docs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", copy)
    for name, before, written in (DECLARED, FILLED):
        path = copy / name
        text = path.read_text("utf-8")
        assert text.count(before) == 1
        path.write_text(text.replace(before, written + before), "utf-8")
    (copy / MIGRATED[0]).write_text(MIGRATED[1], "utf-8")
    return copy


def test_one_more_measured_field_is_shown_exported_and_described(tmp_path, product, clips: Clips):
    films = tmp_path / "films"
    films.mkdir()
    shutil.copy(clips["plain.mp4"], films / "old.mp4")
    before = Shell(folder=tmp_path)
    run = ("run", "films", "--provider", "offline", "--json")
    assert before(*run).code == 0
    (known,) = before.export()

    after = before.having(PYTHONPATH=str(product))
    assert after("status").code == 2  # the catalog lacks a column
    assert after("db", "upgrade").code == 0
    shutil.copy(clips["silent.mp4"], films / "silent.mp4")
    shutil.copy(clips["plain.mkv"], films / "sound.mkv")
    assert after(*run).code == 0

    measured = after("show", "silent.mp4", "--json").report["measured"]
    assert measured["audio_tracks"] == 0
    assert "audio tracks  1" in after("show", "sound.mkv").out
    assert "audio tracks" not in after("show", "old.mp4").out

    lines = after.export()
    assert [line["audio_tracks"] for line in lines] == [None, 0, 1]
    assert [key for key in lines[0] if key != "audio_tracks"] == list(known)
    table = csv.DictReader(io.StringIO(after("export", "--format", "csv").out))
    assert {row["audio_tracks"] for row in table} == {"", "0", "1"}

    subprocess.run(
        [sys.executable, "docs/generate.py"],
        cwd=product,
        env=after.environment,
        check=True,
        capture_output=True,
    )
    page = (product / "docs" / "json.md").read_text("utf-8")
    assert "| `audio_tracks` | sounds to choose from |" in page
    assert "| `measured.audio_tracks` | sounds to choose from |" in page
