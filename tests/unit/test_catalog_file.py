"""A catalog in the current folder is one, however its address is written."""

from __future__ import annotations

import pytest

from catalog.errors import CatalogError
from flows.configuration.ownership import require_own_catalog


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///reelcat.db",
        " sqlite:///reelcat.db",
        "SQLite+pysqlite:///reelcat.db\n",
        "sqlite:///file:reelcat.db",
        "sqlite:///file:reelcat%2Edb?uri=true",
        "sqlite:///~/reelcat.db",
        "sqlite:///./reelcat.db",
    ],
)
def test_a_catalog_of_the_folder_is_asked_who_can_change_it(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    catalog = tmp_path / "reelcat.db"
    catalog.touch(0o600)
    require_own_catalog(url, named_here=False)
    catalog.chmod(0o666)
    with pytest.raises(CatalogError, match="can be written by anybody"):
        require_own_catalog(url, named_here=False)


@pytest.mark.parametrize("url", ["reelcat.db", "sqlite:reelcat.db", "sqlite:///r.db?mode=ro"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(CatalogError):
        require_own_catalog(url, named_here=True)
