"""The automations of the documentation, read as `prefect automation create` reads them."""

from __future__ import annotations

import re

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from repository import ROOT

IN_THE_PAGE = re.findall(
    r"^```yaml\n(.*?)^```", (ROOT / "docs/operations.md").read_text(), re.MULTILINE | re.DOTALL
)
WRITTEN = {
    one["name"]: one
    for text in ((ROOT / "docs/automations.yaml").read_text(), *IN_THE_PAGE)
    for one in yaml.safe_load(text)["automations"]
}


def test_the_page_and_the_file_have_some():
    assert set(WRITTEN) == {"reelcat-lost-machine", "reelcat-failed"}


@pytest.mark.parametrize("name", ["reelcat-lost-machine", "reelcat-failed"])
def test_prefect_takes_it(name):
    written = yaml.safe_dump(WRITTEN[name]).replace(
        "ID-OF-YOUR-BLOCK", "0b6a1f7e-7a55-4f5c-8f0c-3d1b8f0f2a11"
    )

    assert AutomationCore.model_validate(yaml.safe_load(written)).name == name


def test_a_lost_machine_is_one_that_misses_several_beats():
    trigger = WRITTEN["reelcat-lost-machine"]["trigger"]

    assert trigger["posture"] == "Proactive"
    assert trigger["within"] >= 3 * 30  # Prefect's runs beat every 30 seconds at most
