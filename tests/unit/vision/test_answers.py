from __future__ import annotations

import pytest
from video_signals import shot, signals, sound, span

from catalog.values import AnalysisType
from tasks.sandbox.vision.answers import FOOTNOTE, word
from tasks.sandbox.vision.signals import (
    Bars,
    Chapter,
    Damage,
    PictureRegion,
    Reading,
    SubtitleLine,
    Texts,
)

THREE_SHOTS = signals(shots=(shot(0, 2.6), shot(2.6, 4.6), shot(4.6, 10)), black=(span(2.6, 4.6),))


@pytest.mark.parametrize("task", AnalysisType)
@pytest.mark.parametrize(
    "instructions", [None, "Count the dogs.", "Is it loud?", "\x00 \U0001f600"]
)
def test_every_answer_ends_by_saying_that_it_was_measured(task, instructions):
    assert word(signals(), task, instructions).endswith(FOOTNOTE)


def test_each_task_answers_in_its_own_way():
    assert len({word(THREE_SHOTS, task, None) for task in AnalysisType}) == len(AnalysisType)


def test_a_summary_is_three_sentences_on_the_clip_its_picture_and_its_sound():
    assert word(signals(), AnalysisType.SUMMARY, None) == (
        "A landscape clip of 10 seconds (1280\N{MULTIPLICATION SIGN}720) in one unbroken shot. "
        "The picture is evenly lit, in natural colours, mostly green with some blue; "
        "there is some movement. "
        "The sound is of medium loudness (\N{MINUS SIGN}23 LUFS). " + FOOTNOTE
    )


def test_a_scene_description_has_a_line_for_each_scene_with_its_times():
    lines = word(THREE_SHOTS, AnalysisType.SCENE_DESCRIPTION, None).splitlines()

    assert [line.split(": ")[0] for line in lines[:3]] == [
        "Scene 1, 0:00\N{EN DASH}0:02.6",
        "Scene 2, 0:02.6\N{EN DASH}0:04.6",
        "Scene 3, 0:04.6\N{EN DASH}0:10",
    ]
    assert lines[1].endswith(": black picture.")


def test_a_video_of_very_many_scenes_is_described_in_few_lines():
    many = signals(shots=tuple(shot(n, n + 1) for n in range(100)), window_seconds=100.0)

    lines = word(many, AnalysisType.SCENE_DESCRIPTION, None).splitlines()

    assert len(lines) == 32
    assert lines[30].startswith("… and 70 more scenes until 1:40")


def test_an_analysis_has_a_section_for_each_topic():
    lines = word(signals(), AnalysisType.ANALYSIS, None).splitlines()

    assert [line.split(":")[0] for line in lines[:-1]] == [
        "Light",
        "Colour",
        "Motion",
        "Sound",
        "Structure",
    ]


def test_counting_counts_what_signals_show_and_says_that_objects_cannot_be_counted():
    counted = signals(
        shots=THREE_SHOTS.shots,
        black=THREE_SHOTS.black,
        activity=(span(0, 2), span(5, 7)),
        sound=sound(silences=(span(1, 3),)),
        texts=Texts(
            chapters=(Chapter(start_seconds=0, title="One"), Chapter(start_seconds=5, title="Two")),
            subtitle_tracks=1,
            subtitle_lines=(SubtitleLine(start_seconds=1, text="Hello"),),
        ),
    )

    assert word(counted, AnalysisType.COUNTING, None) == (
        "In 10 seconds: 3 shots (2 cuts), 1 black stretch, 2 chapters, 2 stretches of movement, "
        "1 sound track, 1 silence and 1 subtitle line. No frozen stretches. "
        "People and objects cannot be counted by measuring. " + FOOTNOTE
    )


def test_asked_to_count_people_the_answer_begins_by_saying_that_it_cannot():
    answer = word(signals(), AnalysisType.COUNTING, "How many people walk by?")

    assert answer.startswith("People and objects cannot be counted by measuring.")


def test_cuts_between_keyframes_are_called_estimates():
    sparse = signals(shots=THREE_SHOTS.shots, reading=Reading.KEYFRAMES)

    assert "about 3 shots" in word(sparse, AnalysisType.SUMMARY, None)
    assert "judged by keyframes" in word(sparse, AnalysisType.COUNTING, None)
    assert "may be missed" in word(sparse, AnalysisType.ANALYSIS, None)


@pytest.mark.parametrize(
    ("instructions", "told", "untold"),
    [
        ("Tell me about the sound only.", "LUFS", "green"),
        ("Which colours are there?", "green 70 %", "LUFS"),
        ("Where are the cuts?", "cut at 0:02.6 and 0:04.6", "LUFS"),
        ("How long is it, and in which format?", "It lasts 10 seconds.", "LUFS"),
        ("Does the camera move?", "movement", "LUFS"),
        ("Is it a night scene?", "Evenly lit", "LUFS"),
        ("What do the titles say?", "no title", "LUFS"),
    ],
)
def test_a_general_answer_dwells_on_what_the_instructions_ask(instructions, told, untold):
    answer = word(THREE_SHOTS, AnalysisType.GENERAL, instructions)

    assert told in answer
    assert untold not in answer


def test_an_analysis_takes_up_what_was_asked_in_that_order():
    lines = word(signals(), AnalysisType.ANALYSIS, "Sound first, then the colours.").splitlines()

    assert [line.split(":")[0] for line in lines[:-1]] == ["Sound", "Colour"]


@pytest.mark.parametrize("task", AnalysisType)
def test_instructions_are_never_repeated_as_if_they_were_true(task):
    answer = word(signals(), task, "Describe the purple elephants in the sunset and their noise.")

    assert "elephant" not in answer
    assert "purple" not in answer
    assert "sunset" not in answer


@pytest.mark.parametrize(
    "task", [AnalysisType.GENERAL, AnalysisType.SUMMARY, AnalysisType.ANALYSIS]
)
def test_a_question_beyond_signals_is_answered_by_saying_so(task):
    assert "cannot be told by measuring" in word(signals(), task, "Who is the woman?")


def test_scenes_asked_for_by_their_sound_say_where_there_is_none():
    quiet_start = signals(shots=(shot(0, 4), shot(4, 10)), sound=sound(silences=(span(0, 4),)))

    lines = word(quiet_start, AnalysisType.SCENE_DESCRIPTION, "the sound").splitlines()

    assert lines[0].endswith(": in silence.")
    assert lines[1].endswith(": with sound.")


def test_a_black_and_white_picture_is_called_so():
    film = signals(shots=(shot(0, 10, saturation=0.1),))

    assert "black and white" in word(film, AnalysisType.SUMMARY, None)
    assert "Colour: Black and white." in word(film, AnalysisType.ANALYSIS, None)


def test_a_picture_that_is_never_there_is_black_throughout():
    nothing = signals(
        shots=(shot(0, 10, brightness=0.0, saturation=0.0, colours=()),),
        black=(span(0, 10),),
        frozen=(span(0, 10),),
    )

    assert "The picture is black throughout." in word(nothing, AnalysisType.SUMMARY, None)
    assert "Colour: No colour" in word(nothing, AnalysisType.ANALYSIS, None)


def test_a_still_is_called_a_still():
    still = signals(frozen=(span(0, 10),), activity=())

    assert "it is a still" in word(still, AnalysisType.SUMMARY, None)
    assert word(still, AnalysisType.SCENE_DESCRIPTION, None).startswith("Scene 1")
    assert "a still picture" in word(still, AnalysisType.SCENE_DESCRIPTION, None)


def test_movement_that_comes_and_goes_is_told_with_its_times_and_place():
    camera = signals(
        shots=(shot(0, 30, movement=0.05, movement_place=PictureRegion.LOWER_LEFT),),
        duration_seconds=30.0,
        window_seconds=30.0,
        activity=(span(4, 9), span(14, 19)),
    )

    assert (
        "a little movement, mostly in the lower left, "
        "at 0:04\N{EN DASH}0:09 and 0:14\N{EN DASH}0:19" in word(camera, AnalysisType.SUMMARY, None)
    )


@pytest.mark.parametrize(
    ("track", "sentence"),
    [
        (None, "There is no sound track."),
        (sound(loudness_lufs=-70.0), "The sound track is silent throughout."),
        (sound(silences=(span(0, 10),)), "The sound track is silent throughout."),
        (sound(loudness_lufs=None), "There is sound, but too little to measure."),
        (sound(loudness_lufs=-12.0), "The sound is loud (\N{MINUS SIGN}12 LUFS)."),
        (sound(silences=(span(1, 3),)), "with silence at 0:01\N{EN DASH}0:03."),
    ],
)
def test_sound_is_told_from_silence_and_from_no_sound(track, sentence):
    assert sentence in word(signals(sound=track), AnalysisType.SUMMARY, None)


def test_a_portrait_picture_with_bars_and_title_opens_with_them():
    clip = signals(width=720, height=1280, bars=Bars.LETTERBOX, texts=Texts(title="Stairs"))

    assert word(clip, AnalysisType.SUMMARY, None).startswith(
        "“Stairs”: a portrait clip of 10 seconds (720\N{MULTIPLICATION SIGN}1280), "
        "with black bars at the top and bottom, in one unbroken shot."
    )


def test_a_window_that_is_not_the_whole_is_said():
    long = signals(duration_seconds=139.4, window_seconds=120.0, read_to_end=False)

    for task in AnalysisType:
        assert "Nothing beyond the first 2 min of 2 min 19 s was looked at." in word(
            long, task, None
        )


def test_a_video_of_unknown_length_has_no_invented_one():
    unknown = signals(duration_seconds=None, window_seconds=120.0, read_to_end=False)

    assert "of unknown length" in word(unknown, AnalysisType.SUMMARY, None)
    assert "Nothing beyond the first 2 min was looked at." in word(
        unknown, AnalysisType.SUMMARY, None
    )


def test_a_picture_shorter_than_its_sound_is_no_damage():
    answer = word(signals(window_seconds=4.0), AnalysisType.SUMMARY, None)

    assert "The picture ends after 4 seconds, the file after 10 seconds." in answer


def test_damage_is_said_with_what_is_missing():
    broken = signals(
        window_seconds=6.0, damage=Damage(lost_packets=2, missing_seconds=4.0), shots=(shot(0, 6),)
    )

    for task in AnalysisType:
        answer = word(broken, task, None)
        assert "its header promises 10 seconds, but it ends 4 seconds early." in answer
        assert "2 pieces of it could not be decoded." in answer


def test_what_the_file_says_of_itself_is_marked_as_its_own_account():
    clip = signals(
        texts=Texts(
            comment="second copy",
            recorded_on="2009-05-01",
            device="Acme Cam 2",
            subtitle_tracks=1,
            subtitle_lines=tuple(SubtitleLine(start_seconds=n, text=f"line {n}") for n in range(5)),
        )
    )

    answer = word(clip, AnalysisType.GENERAL, None)

    assert "Its comment reads “second copy”." in answer
    assert "By its own account it dates from 2009-05-01 and was made with Acme Cam 2." in answer
    assert "Its subtitles say “line 0”, “line 1”, “line 2” and 2 more." in answer
