import socket
from datetime import datetime, timedelta, timezone

import pytest
from scripted_server import Reply, enveloped

from catalog.errors import AccountStopped, ProviderUnreadable
from catalog.values import ProviderQuote
from tasks.wavespeed.errors import EndpointAbsent, RequestRejected

pytestmark = pytest.mark.anyio

MODEL = "wavespeed-ai/molmo2/video-understanding"
AFTER = datetime(2026, 11, 16, 12, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=1)))
BEFORE = datetime(2026, 11, 23, 12, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=1)))


def prediction(number, **more):
    return {"id": f"prediction-{number:05}", "status": "completed", **more}


def line(uuid, number, *, kind="deduct", price=0.01):
    return {
        "uuid": uuid,
        "billing_type": kind,
        "price": price,
        "prediction": {"uuid": f"prediction-{number:05}"},
    }


async def listed(provider, **more):
    rows = provider.list_predictions(
        model=MODEL, created_after=AFTER, created_before=BEFORE, **more
    )
    return [row.provider_id async for row in rows]


async def test_a_read_is_tried_again_until_it_is_answered(stage):
    stage.server.will(Reply(manner="reset"), Reply(status=502), enveloped({"balance": 12.5}))
    assert await stage.provider.balance() == 12_500_000
    assert len(stage.server.seen) == 3


async def test_what_the_provider_asks_to_wait_is_waited_up_to_a_minute(stage):
    stage.server.will(
        Reply(status=429, headers={"Retry-After": "45"}),
        Reply(status=429, headers={"Retry-After": "3600"}),
        enveloped({"balance": 1}),
    )
    assert await stage.provider.balance() == 1_000_000
    assert stage.waits == [45.0, 60.0]


async def test_a_read_is_given_up_after_a_bounded_number_of_tries(stage):
    stage.server.will(Reply(status=500))
    with pytest.raises(ProviderUnreadable, match="Try again later"):
        await stage.provider.balance()
    assert len(stage.server.seen) == 3


async def test_a_refused_key_is_not_tried_again(stage):
    stage.server.will(enveloped(None, status=401))
    with pytest.raises(AccountStopped):
        await stage.provider.balance()
    assert len(stage.server.seen) == 1


async def test_a_redirect_is_not_followed_and_names_the_setting(stage, servers):
    elsewhere = await servers()
    stage.server.will(Reply(status=301, headers={"Location": elsewhere.url}))
    with pytest.raises(RequestRejected, match="WAVESPEED_BASE_URL"):
        await stage.provider.balance()
    assert elsewhere.seen == []


async def test_where_nobody_listens_a_read_says_so(connect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        provider = await connect(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(ProviderUnreadable, match="Try again later"):
            await provider.balance()


async def test_a_provider_without_a_balance_or_a_price_has_none(stage):
    stage.server.will(Reply(status=404))
    assert await stage.provider.balance() is None
    assert await stage.provider.quote(model=MODEL, inputs={"video": "https://h/a.mp4"}) is None


async def test_a_quote_is_asked_for_with_the_inputs(stage):
    stage.server.will(enveloped({"price": 0.12, "discounted_price": 0.108}))
    inputs = {"video": "https://h/a.mp4", "task": "summary"}
    quote = await stage.provider.quote(model=MODEL, inputs=inputs)
    assert quote == ProviderQuote(price_micros=108_000)
    (seen,) = stage.server.seen
    assert seen.target == "/api/v3/model/price"
    assert seen.json == {"model_id": MODEL, "inputs": inputs}


async def test_inputs_that_cannot_be_quoted_have_no_quote(stage):
    stage.server.will(enveloped(None, status=400, message="cannot read the video"))
    assert await stage.provider.quote(model=MODEL, inputs={"video": "https://h/a.mp4"}) is None


async def test_the_history_is_read_page_by_page_until_a_page_is_empty(stage):
    numbers = range(250)
    for start in (0, 100, 200, 300):
        rows = [prediction(number) for number in numbers[start : start + 100]]
        stage.server.will(enveloped({"page": start // 100 + 1, "items": rows}))
    assert await listed(stage.provider) == [f"prediction-{number:05}" for number in numbers]
    bodies = [seen.json for seen in stage.server.seen]
    assert [body["page"] for body in bodies] == [1, 2, 3, 4]
    assert bodies[0] == {
        "page": 1,
        "page_size": 100,
        "model": MODEL,
        "created_after": "2026-11-16T11:00:00Z",
        "created_before": "2026-11-23T11:00:01Z",
        "include_inputs": True,
    }
    assert {body["created_before"] for body in bodies} == {"2026-11-23T11:00:01Z"}


async def test_a_full_last_page_is_followed_by_one_more_question(stage):
    stage.server.will(
        enveloped({"items": [prediction(number) for number in range(100)]}),
        enveloped({"items": []}),
    )
    assert len(await listed(stage.provider)) == 100
    assert len(stage.server.seen) == 2


async def test_rows_that_moved_to_the_next_page_are_told_once(stage):
    first = [prediction(number) for number in range(100)]
    second = [prediction(number) for number in range(70, 150)]
    stage.server.will(
        enveloped({"items": first + first[:5]}),
        enveloped({"items": second}),
        enveloped({"items": []}),
    )
    assert await listed(stage.provider) == [f"prediction-{number:05}" for number in range(150)]


async def test_trouble_in_the_middle_of_the_history_loses_no_row(stage):
    stage.server.will(
        enveloped({"items": [prediction(number) for number in range(100)]}),
        Reply(manner="reset"),
        enveloped(None),
        enveloped({"items": [prediction(100)]}),
        enveloped({"items": []}),
    )
    assert len(await listed(stage.provider)) == 101


async def test_a_list_that_repeats_itself_is_not_taken_for_whole(stage):
    stage.server.will(enveloped({"items": [prediction(number) for number in range(100)]}))
    with pytest.raises(ProviderUnreadable, match="repeats"):
        await listed(stage.provider)


async def test_inputs_are_not_asked_for_when_not_wanted(stage):
    stage.server.will(enveloped({"items": []}))
    await listed(stage.provider, include_inputs=False)
    assert "include_inputs" not in stage.server.seen[0].json


async def test_the_bill_is_asked_for_in_batches_and_told_once(stage):
    ids = [f"prediction-{number:05}" for number in range(60)]
    stage.server.will(
        enveloped(
            {
                "items": [line("a", 0), line("a", 0), line("b", 0, kind="refund")],
                "has_more": False,
            }
        ),
        enveloped({"items": [line("c", 59, price="a lot")], "total": 1}),
    )
    rows = await stage.provider.billings([*ids, *ids])
    assert [(row.uuid, row.kind, row.amount_micros) for row in rows] == [
        ("a", "deduct", 10_000),
        ("b", "refund", 10_000),
        ("c", "deduct", None),
    ]
    asked = [seen.json["prediction_uuids"] for seen in stage.server.seen]
    assert [len(batch) for batch in asked] == [50, 10]
    assert asked[0] + asked[1] == ids


async def test_lines_of_other_predictions_are_left_out(stage):
    stage.server.will(enveloped({"items": [line("a", 1), line("b", 2)], "has_more": False}))
    rows = await stage.provider.billings(["prediction-00002"])
    assert [row.uuid for row in rows] == ["b"]


async def test_lines_that_name_nobody_are_told(stage):
    nameless = {"uuid": "c", "billing_type": "deduct", "price": 15}
    stage.server.will(enveloped({"items": [line("a", 1), nameless, None], "has_more": False}))
    rows = await stage.provider.billings(["prediction-00002"])
    assert [(row.provider_id, row.amount_micros) for row in rows] == [
        (None, 15_000_000),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("words", "reads"),
    [
        ([{}, {}, {}], 3),
        ([{"total": 3}, {"total": 3}], 2),
        ([{"has_more": True}, {"has_more": False}], 2),
        ([{"total": 3, "has_more": False}, {"total": 3, "has_more": False}], 2),
        ([{"total": "many", "has_more": "yes"}, {}, {}], 3),
    ],
)
async def test_small_pages_are_asked_for_until_all_adds_up(stage, words, reads):
    pages = [[line("a", 1), line("b", 1)], [line("c", 1)], []]
    stage.server.will(
        *(enveloped({"items": page} | said) for page, said in zip(pages, words, strict=False))
    )
    rows = await stage.provider.billings(["prediction-00001"])
    assert [row.uuid for row in rows] == ["a", "b", "c"]
    asked = [(seen.json["page"], seen.json["page_size"]) for seen in stage.server.seen]
    assert asked == [(1, 100), (2, 2), (3, 2)][:reads]


async def test_a_list_that_ends_before_what_it_counts_is_not_whole(stage):
    stage.server.will(
        enveloped({"items": [prediction(1), prediction(2)], "total": 5}),
        enveloped({"items": [], "total": 5}),
    )
    with pytest.raises(ProviderUnreadable, match="5 rows and sends 2"):
        await listed(stage.provider)


async def test_a_list_that_says_there_is_more_and_sends_nothing_is_not_whole(stage):
    stage.server.will(
        enveloped({"items": [prediction(1)], "has_more": True}),
        enveloped({"items": [], "has_more": True}),
    )
    with pytest.raises(ProviderUnreadable, match="repeats"):
        await listed(stage.provider)


async def test_a_total_that_is_the_size_of_a_full_page_is_not_the_end(stage):
    first = [prediction(number) for number in range(100)]
    stage.server.will(
        enveloped({"items": first, "total": 100}),
        enveloped({"items": [prediction(100)], "total": 1}),
    )
    assert len(await listed(stage.provider)) == 101


async def test_a_row_that_cannot_be_read_leaves_the_list_incomplete(stage):
    stage.server.will(enveloped({"items": [prediction(1), {"id": None}], "has_more": False}))
    with pytest.raises(ProviderUnreadable, match="1 rows"):
        await listed(stage.provider)


async def test_the_bill_goes_on_while_the_provider_says_that_there_is_more(stage):
    stage.server.will(
        enveloped({"items": [line("a", 1)], "has_more": True}),
        enveloped({"items": [line("b", 1)], "has_more": False}),
    )
    rows = await stage.provider.billings(["prediction-00001"])
    assert [row.uuid for row in rows] == ["a", "b"]


async def test_a_bill_without_end_is_not_taken_for_settled(stage):
    for page in range(30):
        rows = [line(f"{page}-{number}", number) for number in range(100)]
        stage.server.will(enveloped({"items": rows}))
    with pytest.raises(ProviderUnreadable, match="pages"):
        await stage.provider.billings(["prediction-00001"])
    assert len(stage.server.seen) == 20


async def test_without_predictions_there_is_no_question(stage):
    assert await stage.provider.billings([]) == []
    assert stage.server.seen == []


async def test_a_provider_without_a_bill_says_so(stage):
    stage.server.will(Reply(status=404))
    with pytest.raises(EndpointAbsent):
        await stage.provider.billings(["prediction-00001"])


@pytest.mark.parametrize("data", [None, {}, {"total": 0}])
async def test_an_answer_that_is_no_page_is_no_empty_list(stage, data):
    stage.server.will(enveloped(data))
    with pytest.raises(ProviderUnreadable):
        await listed(stage.provider)
    with pytest.raises(ProviderUnreadable):
        await stage.provider.billings(["prediction-00001"])
