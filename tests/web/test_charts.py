"""What a chart says without being drawn: its words, its table, and the numbers that the script is given."""

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mystira.web.charts import ROWS_MAX, Bar, Point, bar_chart, line_chart, number, thinned
from mystira.web.rulers import Mark, ruler

SINCE = datetime(2026, 11, 22, 14, tzinfo=UTC)
UNTIL = SINCE + timedelta(hours=1)


def points(*values: float) -> list[Point]:
    return [Point(SINCE + timedelta(minutes=at), value) for at, value in enumerate(values)]


def numbers(chart: str) -> dict[str, Any]:
    found = re.search(r'data-chart="([^"]*)"', chart)
    assert found
    return json.loads(html.unescape(found[1]))


def rows(chart: str) -> list[list[str]]:
    return [re.findall("<td>([^<]*)</td>", row) for row in re.findall("<tr>(.*?)</tr>", chart)[1:]]


def test_a_line_says_its_last_and_its_highest_value_and_carries_all_of_them_twice() -> None:
    chart = line_chart("Seconds behind", points(0.5, 1234, 2), since=SINCE, until=UNTIL, unit=" s")
    assert "Seconds behind: last 2 s at 14:02:00, at most 1,234 s at 14:01:00 UTC" in chart
    assert rows(chart) == [["14:00:00", "0.5 s"], ["14:01:00", "1,234 s"], ["14:02:00", "2 s"]]
    told = numbers(chart)
    assert (told["from"], told["to"]) == (SINCE.timestamp(), UNTIL.timestamp())
    assert told["x"] == [SINCE.timestamp() + 60 * at for at in range(3)] and told["y"] == [0.5, 1234, 2]
    assert (told["kind"], told["unit"], told["name"]) == ("line", " s", "Seconds behind")


def test_a_line_is_in_the_order_of_time_and_holds_only_what_lies_within() -> None:
    early = Point(SINCE - timedelta(seconds=1), 9)
    chart = line_chart("Changes", [*reversed(points(1, 2, 3)), early], since=SINCE, until=UNTIL)
    assert numbers(chart)["y"] == [1, 2, 3] and "last 3 at 14:02:00" in chart


def test_a_line_over_midnight_says_its_days() -> None:
    chart = line_chart("Changes", points(7), since=SINCE - timedelta(days=1), until=UNTIL)
    assert "last 7 at 2026-11-22 14:00:00" in chart and rows(chart) == [["2026-11-22 14:00:00", "7"]]


def test_without_a_value_there_are_only_words() -> None:
    chart = line_chart("Changes", [], since=SINCE, until=UNTIL)
    assert "Changes: nothing was measured yet." in chart and "<figure" not in chart
    assert "<figure" not in bar_chart("Courage", [])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
def test_a_long_table_is_thinned_keeps_the_highest_and_the_last_and_says_so(values: list[float]) -> None:
    all_of_them = [Point(SINCE + timedelta(seconds=at), value) for at, value in enumerate(values)]
    few, note = thinned(all_of_them)
    assert len(few) <= ROWS_MAX + 1
    assert max(values) in [point.value for point in few] and few[-1] == all_of_them[-1]
    assert list(few) == sorted(few) and set(few) <= set(all_of_them)
    assert bool(note) == (len(values) > ROWS_MAX) == (len(few) < len(values))


def test_the_note_about_a_thinned_table_is_its_caption() -> None:
    chart = line_chart("Changes", points(*range(50)), since=SINCE, until=UNTIL)
    assert "<caption>The highest of every 3 values, and the last of all 50.</caption>" in chart


def test_a_distribution_says_where_most_of_it_lies_and_names_its_marks() -> None:
    bars = [Bar(-0.5, 0.25, 0.125), Bar(0.25, 1.0, 0), Bar(1.0, 1.75, 0.875)]
    chart = bar_chart("Courage", bars, [(4.5, "gold")])
    assert "Courage: from -0.5 to 1.75, most often from 1 to 1.75 (87.5 %), gold at 4.5" in chart
    assert rows(chart) == [["-0.5 to 0.25", "12.5 %"], ["1 to 1.75", "87.5 %"]]
    assert "Where there is nothing is left out." in chart
    told = numbers(chart)
    assert (told["from"], told["to"], told["width"]) == (-0.5, 4.5, 0.75), "a mark beside the bars is seen, too"
    assert told["y"] == [12.5, 0, 87.5] and told["marks"] == [[4.5, "gold"]]


def test_no_name_can_leave_its_place() -> None:
    chart = bar_chart('"><script>alert(1)</script>', [Bar(0, 1, 1)], [(0, "</figure>'\"")])
    assert "<script" not in chart and chart.count("</figure>") == 1
    assert numbers(chart)["name"] == '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.0004, "0"),
        (0.0126, "0.013"),
        (1.256, "1.26"),
        (12.34, "12.3"),
        (99.96, "100"),
        (1234567.8, "1,234,568"),
    ],
)
def test_numbers_have_about_three_digits(value: float, written: str) -> None:
    assert number(value) == written


def test_a_ruler_tells_its_marks_in_words_and_nothing_where_there_are_none() -> None:
    drawn = ruler("Badges", [("Courage", [Mark(1, "bronze", "bronze"), Mark(2.5, "gold", "gold")])])
    assert 'aria-label="Courage: bronze 1, gold 2.5"' in drawn and "Badges: from 0 to 2.5." in drawn
    assert "there is nothing yet" in ruler("Badges", [("Courage", [])])
