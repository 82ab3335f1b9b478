from __future__ import annotations

import pytest

from tasks.media.describing import cells
from tasks.media.describing.signals import Bars, Place

CELLS = cells.SIDE**2


def grid(rows: range, columns: range, inside: int, outside: int) -> list[int]:
    return [
        inside if index // cells.SIDE in rows and index % cells.SIDE in columns else outside
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
    assert cells.colour_name(*rgb) == name


def test_noise_in_the_dark_has_no_hue():
    assert cells.colour_name(40, 44, 52) == "dark grey"


def test_a_camera_that_adapts_to_the_light_is_no_movement():
    assert cells.changed([100] * CELLS, [130] * CELLS) == []


def test_a_thing_that_moves_while_the_light_changes_is_movement():
    after = grid(range(3), range(3), inside=200, outside=130)

    assert len(cells.changed([100] * CELLS, after)) == 9


@pytest.mark.parametrize(
    ("rows", "columns", "place"),
    [
        (range(3), range(3), Place.UPPER_LEFT),
        (range(10, 14), range(10, 14), Place.CENTRE),
        (range(20, 24), range(24), Place.LOWER),
        (range(24), range(18, 24), Place.RIGHT),
        (range(24), range(24), None),
    ],
)
def test_movement_has_a_place_unless_it_is_everywhere(rows, columns, place):
    assert cells.movement_place(grid(rows, columns, inside=3, outside=0)) is place


def test_no_movement_has_no_place():
    assert cells.movement_place([0] * CELLS) is None


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
    assert cells.borders(grid(rows, columns, inside=180, outside=2)) is bars


def test_a_picture_that_is_dark_everywhere_has_no_bars():
    assert cells.borders([10] * CELLS) is None
