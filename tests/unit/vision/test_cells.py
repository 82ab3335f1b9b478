from __future__ import annotations

import pytest

from tasks.sandbox.vision import frames
from tasks.sandbox.vision.signals import Bars, PictureRegion

CELLS = frames.SIDE**2


def grid(rows: range, columns: range, inside: int, outside: int) -> list[int]:
    return [
        inside if index // frames.SIDE in rows and index % frames.SIDE in columns else outside
        for index in range(CELLS)
    ]


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((0, 0, 0), "black"),
        ((25, 20, 30), "black"),
        ((60, 60, 64), "dark grey"),
        ((130, 128, 127), "grey"),
        ((250, 250, 245), "white"),
        ((220, 20, 30), "red"),
        ((240, 140, 20), "orange"),
        ((110, 70, 30), "brown"),
        ((230, 210, 170), "beige"),
        ((240, 230, 30), "yellow"),
        ((30, 170, 40), "green"),
        ((20, 60, 20), "dark green"),
        ((30, 190, 190), "turquoise"),
        ((40, 90, 220), "blue"),
        ((20, 30, 80), "dark blue"),
        ((140, 40, 220), "purple"),
        ((250, 100, 180), "pink"),
    ],
)
def test_colours_have_the_names_that_people_give_them(rgb, name):
    assert frames.colour_name(*rgb) == name


def test_noise_in_the_dark_has_no_hue():
    assert frames.colour_name(40, 44, 52) == "dark grey"


def test_a_camera_that_adapts_to_the_light_is_no_movement():
    assert frames.changed_cells([100] * CELLS, [130] * CELLS) == []


def test_a_thing_that_moves_while_the_light_changes_is_movement():
    after = grid(range(3), range(3), inside=200, outside=130)

    assert len(frames.changed_cells([100] * CELLS, after)) == 9


@pytest.mark.parametrize(
    ("rows", "columns", "place"),
    [
        (range(3), range(3), PictureRegion.UPPER_LEFT),
        (range(10, 14), range(10, 14), PictureRegion.CENTRE),
        (range(20, 24), range(24), PictureRegion.LOWER),
        (range(24), range(18, 24), PictureRegion.RIGHT),
        (range(24), range(24), None),
    ],
)
def test_movement_has_a_place_unless_it_is_everywhere(rows, columns, place):
    assert frames.movement_place(grid(rows, columns, inside=3, outside=0)) is place


def test_no_movement_has_no_place():
    assert frames.movement_place([0] * CELLS) is None


@pytest.mark.parametrize(
    ("rows", "columns", "bars"),
    [
        (range(3, 21), range(24), Bars.LETTERBOX),
        (range(24), range(3, 21), Bars.PILLARBOX),
        (range(24), range(24), None),
        (range(3, 24), range(24), None),
    ],
)
def test_bars_are_black_on_both_sides(rows, columns, bars):
    assert frames.borders(grid(rows, columns, inside=180, outside=2)) is bars


def test_a_picture_that_is_dark_everywhere_has_no_bars():
    assert frames.borders([10] * CELLS) is None
