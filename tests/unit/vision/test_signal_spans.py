from __future__ import annotations

from video_signals import span

from tasks.sandbox.vision.signals import SpanReader, busy_spans


def reader() -> SpanReader:
    return SpanReader("start", "end", origin=100.0)


def test_a_span_goes_from_its_start_to_its_end_counted_from_the_first_picture():
    spans = reader()
    spans.read({"start": "102"})
    spans.read({})
    spans.read({"end": "105.5"})

    assert spans.spans(end=10, at_least=0.5) == (span(2, 5.5),)


def test_a_span_without_an_end_lasts_to_the_end():
    spans = reader()
    spans.read({"start": "104"})

    assert spans.spans(end=10, at_least=0.5) == (span(4, 10),)


def test_a_span_that_starts_and_ends_on_one_frame_is_over():
    spans = reader()
    spans.read({"start": "102", "end": "104"})

    assert spans.spans(end=10, at_least=0.5) == (span(2, 4),)


def test_one_span_may_end_where_the_next_starts():
    spans = reader()
    spans.read({"start": "101"})
    spans.read({"end": "103", "start": "103"})

    assert spans.spans(end=10, at_least=0.5) == (span(1, 3), span(3, 10))


def test_short_spans_are_left_out():
    spans = reader()
    spans.read({"start": "101"})
    spans.read({"end": "101.2"})

    assert spans.spans(end=10, at_least=0.5) == ()


def test_movements_with_a_short_rest_between_them_are_one():
    changes = [(0, 0.0), (1, 0.1), (2, 0.0), (3, 0.1), (4, 0.0), (9, 0.0), (10, 0.2)]

    assert busy_spans(changes) == (span(0, 3), span(9, 10))


def test_noise_is_no_movement():
    assert busy_spans([(0, 0.0), (1, 0.005), (2, 0.01)]) == ()
