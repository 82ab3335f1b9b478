import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.s3.listing import KeyRange, cut, levels

keys = st.text("ab/é", min_size=1, max_size=6)


@given(
    st.lists(keys, unique=True),
    st.lists(keys, unique=True),
    keys,
    st.none() | keys,
    st.integers(1, 9),
)
def test_every_key_is_in_one_piece_of_a_range_and_no_other(all_keys, folders, after, until, pieces):
    rest = KeyRange(after=after, until=until)
    parts = cut(rest, sorted(folders), pieces)
    assert len(parts) <= pieces
    for key in all_keys:
        assert [part.holds(key) for part in parts].count(True) == rest.holds(key)


@pytest.mark.parametrize(
    ("folders", "wanted", "made"), [(0, 4, 1), (1, 4, 2), (40, 4, 4), (9, 1, 1)]
)
def test_there_are_as_many_pieces_as_were_asked_for_if_there_are_folders(folders, wanted, made):
    marks = [f"{number:02}/" for number in range(folders)]
    assert len(cut(KeyRange(after="", until=None), marks, wanted)) == made


def test_cuts_are_looked_for_where_the_whole_of_a_range_lies():
    assert levels("", "x/1/a", "x/1/b") == ["x/1/"]
    assert levels("", "x/1/a", "x/2/") == ["x/", "x/1/"]
    assert levels("", "flat.mp4", None) == [""]
