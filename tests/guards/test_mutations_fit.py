"""Every mutation can still be made: the text that it replaces is there, once."""

from __future__ import annotations

import pytest
from mutations import MUTATIONS
from repository import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_a_mutation_replaces_is_there_once(mutation):
    for patch in mutation.patches:
        assert (ROOT / patch.path).read_text("utf-8").count(patch.old) == 1, patch.path
