"""What earlier versions left goes on working: its catalog after an upgrade, and its deployments."""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path

import pytest
from prefect import Flow

from flows.cli.app import execute

#: Each holds two videos and a broken file, found in /archive/films, described for two tasks, bought
#: for $0.02 of a sandbox, and settled. The number is the version of its tables.
CATALOGS = sorted((Path(__file__).parents[2] / "fixtures").glob("catalog-*.db.gz"))

#: As they stand in the database of a Prefect server.
ENTRYPOINTS = {
    "flows.batch.catalog_videos": {"videos", "questions", "spending", "pace"},
    "flows.batch.reconcile_account": set(),
    "flows.batch.help_out": {"sharing"},
}


@pytest.fixture(params=CATALOGS, ids=lambda path: path.name.partition(".")[0])
def earlier(request, tmp_path, monkeypatch):
    path = tmp_path / "earlier.db"
    path.write_bytes(gzip.decompress(request.param.read_bytes()))
    monkeypatch.setenv("REELCAT_DATABASE_URL", f"sqlite:///{path}")
    monkeypatch.chdir(tmp_path)


def printed(capsys, *arguments):
    assert execute(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_a_catalog_of_a_version_before_asks_to_be_upgraded_and_holds_all_it_held(earlier, capsys):
    assert execute(["status"]) == 2
    assert "reelcat db upgrade" in capsys.readouterr().err
    assert execute(["db", "upgrade"]) == 0
    capsys.readouterr()

    status = printed(capsys, "status", "--json")
    assert status["analyses"]["completed"] == 4
    assert status["money"]["charged_usd"] == "0.02"
    (month,) = (one for one in status["budgets"] if one["scope"].startswith("month"))
    assert month["limit_usd"] == "5.00"
    found = printed(capsys, "search", "harbour", "--json")
    assert len(found["results"]) == 2
    assert execute(["export", "--format", "csv"]) == 0
    assert capsys.readouterr().out.count("/archive/films/harbour-") == 4


def test_deployments_of_the_version_before_find_their_flows():
    for entrypoint, parameters in ENTRYPOINTS.items():
        module, _, name = entrypoint.rpartition(".")
        flow = getattr(importlib.import_module(module), name)
        assert isinstance(flow, Flow)
        assert set(flow.parameters.properties) == parameters
