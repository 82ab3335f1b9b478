"""Files of settings that would keep a parser busy: each is refused in a sentence, at once."""

from __future__ import annotations

import pytest

from catalog.errors import SettingsError
from flows.configuration.files import read_folder_files

CHAIN = "A0=xxxxxxxxxx\n" + "".join(f"A{n}={f'${{A{n - 1}}}' * 10}\n" for n in range(1, 12))
BOMBS = [
    (".env", "REELCAT_X=" + "${" * 100_000),
    (".env", "REELCAT_X=" + "${" * 4_000),
    (".env", CHAIN + "REELCAT_X=${A11}"),
    (".env", "REELCAT_X=" + "x" * 10_000),
    (".env", "REELCAT_X=x" + " " * 15_000 + "y"),
    (".env", "A=1\n" * 100_000),
    ("reelcat.toml", "a." * 500_000),
    ("reelcat.toml", "a." * 8_000 + "a = 1"),
    ("reelcat.toml", '"\u2028".' * 3_000 + "a = 1"),
    ("reelcat.toml", "a = " + "[\n" * 50_000),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "text"), BOMBS, ids=range(len(BOMBS)))
def test_a_trusted_file_that_is_a_bomb_is_one_sentence(folder, name, text):
    (folder / name).write_text(text)
    with pytest.raises(SettingsError, match=name) as caught:
        read_folder_files()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("name", "text"), BOMBS, ids=range(len(BOMBS)))
def test_a_refused_file_that_is_a_bomb_is_refused_for_who_can_write_it(folder, name, text):
    (folder / name).write_text(text)
    (folder / name).chmod(0o666)
    [refused] = read_folder_files().refused
    assert "can be written by anybody" in str(refused)


def test_a_large_refused_file_counts_as_one_that_decides(folder):
    (folder / ".env").write_text("REELCAT_TIER=gold\n" * 1_000)
    (folder / ".env").chmod(0o666)
    [refused] = read_folder_files().refused
    assert refused.names is None
    assert refused.decides({})
