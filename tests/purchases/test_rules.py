"""What a payment brings, whatever order the news arrives in; how a price is split; which bundles are in order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mystira.content.bundles.model import BundleDetails, ContentBundle, Price, checked, followed, money
from mystira.content.bundles.problems import BundleInvalid, BundleStateWrong
from mystira.content.purchases.events import PurchaseRefunded, ScenarioPurchased
from mystira.content.purchases.model import LINE, News, Notice, Purchase, heard, order, purchase_id, split
from mystira.content.purchases.problems import PaymentMismatch

AT = datetime(2026, 5, 3, 12, tzinfo=UTC)
BUNDLE = ContentBundle(
    id="winter",
    title="Winter",
    scenario_ids=("a", "b", "c"),
    price=Price(amount_minor=500, currency="EUR"),
    state="published",
    changed_at=AT,
)
ORDER = order(purchase_id("ada", "winter", 1), "ada", BUNDLE, "stripe", AT)


def notice(news: News, minutes: int = 0, **changes: Any) -> Notice:
    about = {"amount_minor": 500, "currency": "EUR"} if news == "paid" else {}
    about |= {"payment_ref": "pi_1"} if news in ("paid", "refunded") else {}
    at = AT + timedelta(minutes=minutes)
    return Notice(account_id="ada", purchase_id=ORDER.id, news=news, at=at, **(about | changes))


def after(news: list[Notice]) -> tuple[Purchase, list[str]]:
    purchase, told = ORDER, []
    for one in news:
        purchase, facts = heard(purchase, one)
        told += [repr(fact) for fact in facts]
    return purchase, sorted(told)


NEWS = st.builds(
    notice, st.sampled_from(["failed", "expired", "paid", "refunded"]), st.integers(min_value=0, max_value=60)
)


@given(st.lists(NEWS, max_size=8), st.randoms(use_true_random=False))
def test_news_in_any_order_and_number_end_the_same(news: list[Notice], random: Any) -> None:
    shuffled = news + [one for one in news if random.random() < 0.5]
    random.shuffle(shuffled)
    assert after(shuffled) == after(news)


def test_every_order_of_a_whole_life_ends_refunded_and_sells_each_story_once() -> None:
    life = [notice("failed", 1), notice("paid", 2), notice("paid", 3), notice("refunded", 9), notice("expired", 5)]
    ends = {repr(after(list(way))) for way in permutations(life)}
    assert len(ends) == 1
    purchase, told = after(life)
    assert (purchase.state, purchase.paid_at, purchase.refunded_at) == (
        "refunded",
        AT + timedelta(minutes=2),
        AT + timedelta(minutes=9),
    )
    assert sum("ScenarioPurchased" in fact for fact in told) == 3
    assert sum("PurchaseRefunded" in fact for fact in told) == 1


@given(st.integers(0, 10**9), st.integers(1, 300))
def test_the_parts_sum_up_to_the_whole_and_differ_by_one_at_most(amount: int, parts: int) -> None:
    shares = split(amount, parts)
    assert sum(shares) == amount and len(shares) == parts
    assert max(shares) - min(shares) <= 1
    assert list(shares) == sorted(shares, reverse=True)


def test_a_payment_sells_every_story_of_the_bundle_for_its_share() -> None:
    paid, told = heard(ORDER, notice("paid"))
    assert paid.state == "paid"
    assert [
        (one.scenario_id, one.amount_minor, one.bundle_id) for one in told if isinstance(one, ScenarioPurchased)
    ] == [
        ("a", 167, "winter"),
        ("b", 167, "winter"),
        ("c", 166, "winter"),
    ]
    again, more = heard(paid, notice("paid"))
    assert (again, more) == (paid, ())


@pytest.mark.parametrize("changes", [{"amount_minor": 1}, {"currency": "USD"}, {"amount_minor": None}])
def test_a_payment_over_another_amount_is_not_accepted(changes: dict[str, Any]) -> None:
    with pytest.raises(PaymentMismatch):
        heard(ORDER, notice("paid", **changes))


def test_a_refund_that_comes_before_its_payment_brings_both() -> None:
    refunded, told = heard(ORDER, notice("refunded"))
    assert refunded.state == "refunded"
    assert [type(one) for one in told] == [ScenarioPurchased] * 3 + [PurchaseRefunded]


def test_states_only_move_along_their_line() -> None:
    for state in LINE:
        for news in LINE[1:]:
            moved, _ = heard(ORDER.evolve(state=state), notice(news))  # type: ignore[arg-type]
            assert LINE.index(moved.state) == max(LINE.index(state), LINE.index(news))


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"description": "x" * 2001}, "description"),
        ({"scenario_ids": ("a", "b", "a")}, "scenario_ids"),
        ({"scenario_ids": tuple(map(str, range(201)))}, "scenario_ids"),
        ({"price": Price(amount_minor=0, currency="EUR")}, "price"),
        ({"price": Price(amount_minor=-5, currency="EUR")}, "price"),
        ({"price": Price(amount_minor=5, currency="shells")}, "price"),
    ],
)
def test_a_bundle_that_is_not_in_order_is_told_what_to_write(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BundleInvalid) as refused:
        checked(BundleDetails(**({"title": "Winter"} | changes)))
    assert refused.value.facts["field"] == field


def test_a_bundle_never_becomes_a_draft_again() -> None:
    archived = followed(BUNDLE, "archived", AT)
    assert followed(archived, "published", AT).state == "published"
    with pytest.raises(BundleStateWrong):
        followed(archived, "draft", AT)


def test_money_is_written_with_the_decimals_of_its_currency() -> None:
    assert [money(499, "EUR"), money(5, "USD"), money(1_234_500, "GBP"), money(1_200, "JPY")] == [
        "4.99 EUR",
        "0.05 USD",
        "12,345.00 GBP",
        "1,200 JPY",
    ]
