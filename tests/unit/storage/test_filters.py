import pickle

import pytest

from catalog.errors import SettingsError
from tasks.storage.filters import Filter


def test_without_patterns_everything_is_meant():
    assert Filter().accepts("a/b.mp4")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.mp4", "a/b/c.mp4", True),  # no slash: the file's own name
        ("*.mp4", "a/b/C.MP4", True),  # cameras shout
        ("a/*.mp4", "a/b/c.mp4", False),  # * stays within a folder
        ("a/**", "a/b/c.mp4", True),
        ("a/**/c.mp4", "a/c.mp4", True),
        ("**/raw/**", "x/raw/y.mp4", True),
        ("**/raw/**", "raw/y.mp4", True),
        ("Private/", "private/x/y.mp4", True),  # all below
        ("Private/", "other/private.mp4", False),
        ("*.{mov,mp4}", "x.mov", True),
        ("clip_[0-9][0-9].mp4", "d/clip_07.mp4", True),
        ("clip_?.mp4", "clip_07.mp4", False),
        ("*", "a/.hidden/b", True),
        ("ünï/*", "ünï/x.mp4", True),
        ("a*", "x/a\nb.mp4", True),
        ("a/b", "a/b/c.mp4", False),
    ],
)
def test_a_glob_means_what_people_expect(pattern, name, matches):
    assert Filter(include=(pattern,)).accepts(name) is matches
    assert Filter(exclude=(pattern,)).accepts(name) is not matches


def test_what_is_excluded_stays_out_although_it_is_included():
    chosen = Filter(include=("2009/**", "2010/**"), exclude=("*_proxy.mp4",))
    assert chosen.accepts("2010/a.mp4")
    assert not chosen.accepts("2010/a_proxy.mp4")
    assert not chosen.accepts("2011/a.mp4")


@pytest.mark.parametrize("patterns", [("",), ("*.mp4", "  ")])
def test_an_empty_pattern_is_refused_with_a_sentence(patterns):
    with pytest.raises(SettingsError, match="--exclude was given an empty pattern"):
        Filter(exclude=patterns)


def test_braces_that_stand_for_thousands_are_refused_with_a_sentence():
    with pytest.raises(SettingsError, match="too many patterns"):
        Filter(include=("{1..200}{1..200}",))


def test_a_filter_travels_to_another_process():
    chosen = Filter(include=("*.mp4",))
    assert pickle.loads(pickle.dumps(chosen)) == chosen
