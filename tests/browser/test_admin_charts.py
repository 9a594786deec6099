"""Charts in the administration: drawn in both schemes and on paper, read by mouse, keyboard and without a script."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.administering import add_admin, sign_in, start
from tests.browser.charting import an_hour, expect_painted, plant_lags, plant_runs
from tests.browser.looks import WIDTHS, on_paper, shoot, violations
from tests.prepared import copy_of
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser

LAG = "/admin/migration/Accounts"
TREND = "/admin/reconciliation/collections/Accounts"
CALIBRATION = "/admin/content/calibration?story=the-moss-bridge&story=the-clockwork-orchard&age_group=6-9"
PAGES = {"lag": LAG, "trend": TREND, "calibration": CALIBRATION}
LINE = {"light": "#5b2a86", "dark": "#c9a2f2"}
MARKS = "#2b2140"
MINUTE = timedelta(minutes=1)
SECONDS = "#chart-seconds-behind"
RISEN = [0.4 + 14 * exp(-(((at - 70) / 6) ** 2)) for at in range(117)]
# Set before a page loads: what the policy forbids, and how many sizes are watched just now.
WATCHING = """
window.forbidden = []; window.observed = 0;
document.addEventListener("securitypolicyviolation", (event) => forbidden.push(event.violatedDirective));
const {observe, disconnect} = ResizeObserver.prototype;
ResizeObserver.prototype.observe = function (...all) { observed++; return observe.apply(this, all); };
ResizeObserver.prototype.disconnect = function () { observed--; return disconnect.apply(this); };
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    return copy_of(whole, tmp_path_factory.mktemp("charts") / "data")


@pytest.fixture(scope="module")
def desk(data: Path) -> Iterator[RunningPlatform]:
    """Where people look; without a worker nobody samples but the tests."""
    platform = start(data, "app", "admin")
    add_admin(data)
    plant_lags(data, "Accounts", an_hour(RISEN))
    plant_runs(data, "Accounts", [0, 3, 12, 7, 7, 2, 0, 0, 1, 0], timedelta(hours=9))
    yield platform
    assert platform.stop() == 0, platform.output


@pytest.fixture
def page(browser: Browser, desk: RunningPlatform) -> Iterator[Page]:
    page, said = sign_in(browser, desk.address)
    page.add_init_script(WATCHING)
    yield page
    assert page.evaluate("window.forbidden") == []
    assert said == []
    page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_every_chart_is_drawn_in_both_schemes_at_both_widths_and_light_on_paper(
    page: Page, desk: RunningPlatform, name: str
) -> None:
    page.goto(f"{desk.address}{PAGES[name]}")
    plots = page.locator(".plot").all()
    assert plots and all(plot.locator("canvas").count() == 1 for plot in plots)
    for scheme, other in (("light", "dark"), ("dark", "light")):
        for width, height in WIDTHS.values():
            page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
            page.set_viewport_size({"width": width, "height": height})
            for plot in plots:
                expect_painted(plot, LINE[scheme], LINE[other])
                assert plot.locator("canvas").evaluate("one => one.clientWidth === one.closest('.stage').clientWidth")
    shoot(page, f"chart-{name}")
    if name == "calibration":
        for plot in plots:
            expect_painted(plot, MARKS, LINE["dark"])
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator(".on-paper")).to_have_count(len(plots))
    for plot in plots:
        expect_painted(plot, LINE["light"], LINE["dark"])
        assert plot.evaluate("one => getComputedStyle(one.querySelector('output')).display") == "none"
    assert page.locator("details table").first.is_visible(), "paper has the numbers, too"
    on_paper(page, f"chart-{name}")
    # on_paper has left a dark paper for a light screen; a chart that stayed on paper would be as wide as that.
    expect(page.locator(".on-paper")).to_have_count(0)
    page.emulate_media(color_scheme="dark")
    expect_painted(plots[0], LINE["dark"], LINE["light"])
    page.get_by_role("button", name="Light or dark").click()
    expect_painted(plots[0], LINE["light"], LINE["dark"])


def test_a_printer_is_given_lines_and_letters_though_the_screen_is_dark(page: Page, desk: RunningPlatform) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(f"{desk.address}{LAG}")
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.on-paper').length; })"
    )
    printed = page.pdf(prefer_css_page_size=True)
    assert page.evaluate("window.printed") == 2
    assert b"/Subtype /Image" not in printed, "what is drawn while printing stays sharp"
    expect(page.locator(".on-paper")).to_have_count(0)
    expect_painted(page.locator(SECONDS), LINE["dark"], LINE["light"])


def test_whoever_has_only_a_keyboard_reads_every_value_of_the_table(page: Page, desk: RunningPlatform) -> None:
    page.goto(f"{desk.address}{TREND}")
    plot = page.get_by_role("application", name="Keys that differ")
    told = plot.locator("output")
    expect(told).to_have_attribute("aria-live", "polite")
    tab_to(page, plot)
    rows = [row.locator("td").all_text_contents() for row in page.locator(".chart tbody tr").all()]
    assert len(rows) == 10
    assert told.text_content() == says(rows[-1]), "the focus begins with what is the newest"
    page.keyboard.press("Home")
    for row in rows:
        assert told.text_content() == says(row)
        page.keyboard.press("ArrowRight")
    assert told.text_content() == says(rows[-1]), "there is nothing after the last"
    page.keyboard.press("ArrowLeft")
    assert told.text_content() == says(rows[-2])
    page.keyboard.press("+")
    assert " to " in str(told.text_content()) and rows[0][0] not in str(told.text_content())
    page.keyboard.press("Home")
    assert told.text_content() == says(rows[0])
    assert is_inside(plot.locator(".u-cursor-pt"), plot.locator(".u-over")), "what was out of sight is seen again"
    page.keyboard.press("0")
    assert str(told.text_content()).startswith(f"{rows[0][0]} to ")
    assert violations(page) == []
    page.keyboard.press("Escape")
    assert told.text_content() == ""
    page.keyboard.press("Tab")
    expect(page.locator(".chart summary")).to_be_focused()


def test_a_long_line_is_read_value_by_value_and_its_table_is_short(page: Page, desk: RunningPlatform) -> None:
    page.goto(f"{desk.address}{LAG}")
    chart = page.locator("figure", has=page.locator(SECONDS))
    expect(chart.locator("caption", has_text="The highest of every 5 values")).to_have_count(1)
    rows = {says(row.locator("td").all_text_contents()) for row in chart.locator("tbody tr").all()}
    page.locator(SECONDS).focus()
    page.keyboard.press("Home")
    read = set[str]()
    for _ in RISEN:
        read.add(str(chart.locator("output").text_content()))
        page.keyboard.press("ArrowRight")
    assert len(read) == len(RISEN) and rows <= read
    assert 24 <= len(rows) <= 25


def test_a_mouse_reads_what_it_points_at_and_drags_to_see_more(page: Page, desk: RunningPlatform) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{desk.address}{CALIBRATION}")
    figure = page.locator("figure", has=page.locator("#chart-kindness"))
    told, over = figure.locator("output"), figure.locator(".u-over")
    box = over.bounding_box()
    assert box
    across, height = box["width"], box["y"] + box["height"] / 2
    rows = [row.locator("td").all_text_contents() for row in figure.locator("tbody tr").all()]
    page.mouse.move(box["x"] + 1, height)
    expect(told).to_have_text(f"{rows[0][1]} from {rows[0][0]}")
    page.mouse.move(box["x"] + across * 0.2, height)
    first = least(told)
    page.mouse.down()
    page.mouse.move(box["x"] + across * 0.4, height, steps=4)
    second = least(told)
    page.mouse.up()
    page.mouse.move(box["x"] + 2, height)
    assert least(told) == pytest.approx(first, abs=0.11)
    page.mouse.move(box["x"] + across - 2, height)
    assert least(told) == pytest.approx(second, abs=0.11)
    page.mouse.dblclick(box["x"] + across * 0.5, height)
    page.mouse.move(box["x"] + 1, height)
    expect(told).to_have_text(f"{rows[0][1]} from {rows[0][0]}")
    page.mouse.move(box["x"], box["y"] - 300)
    expect(told).to_be_empty()


def test_what_comes_meanwhile_is_drawn_and_nobody_loses_their_place(
    page: Page, desk: RunningPlatform, data: Path
) -> None:
    page.goto(f"{desk.address}{LAG}")
    expect(page.get_by_text("Live: this changes by itself.")).to_be_visible()
    plot, told = page.locator(SECONDS), page.locator(f"{SECONDS} output")
    plot.locator("canvas").evaluate("one => { one.dataset.mine = '1'; }")
    page.locator("#chart-seconds-behind-numbers summary").click()
    tab_to(page, plot)
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("PageDown")
    read = moment_of(told)
    before = plot.locator("canvas").evaluate("one => one.toDataURL()")
    now = datetime.now(UTC)
    first = an_hour(RISEN, ends=now - timedelta(minutes=2))[20:]
    plant_lags(data, "Accounts", [*first, *an_hour([90.0], ends=now)])
    expect(page.locator("figcaption", has_text="Seconds behind: last 90 s")).to_be_visible()
    expect(plot).to_be_focused()
    assert plot.locator("canvas").get_attribute("data-mine") == "1", "it is the same drawing, so nothing flickers"
    assert plot.locator("canvas").evaluate("one => one.toDataURL()") != before
    assert abs(moment_of(told) - read) < MINUTE
    page.keyboard.press("ArrowRight")
    assert MINUTE > moment_of(told) - read >= timedelta(), "the next value is the one beside it"
    expect(page.locator("#chart-seconds-behind-numbers")).to_have_attribute("open", "")
    page.keyboard.press("End")
    expect(told).to_contain_text("90 s at ")
    point_at(page, plot, 0.6)
    pointed = moment_of(told)
    assert moment_of(told) < now - 10 * MINUTE
    plant_lags(data, "Accounts", [*first, *an_hour([70.0], ends=now)])
    expect(page.locator("figcaption", has_text="Seconds behind: last 70 s")).to_be_visible()
    assert abs(moment_of(told) - pointed) < MINUTE
    assert page.evaluate("window.observed") == 2
    plant_lags(data, "Accounts", [])
    expect(page.get_by_text("Seconds behind: nothing was measured yet.")).to_be_visible()
    assert page.evaluate("window.observed") == 0, "what was drawn is let go"
    plant_lags(data, "Accounts", an_hour(RISEN))
    expect_painted(plot, LINE["light"], LINE["dark"])
    assert page.evaluate("window.observed") == 2


@pytest.mark.parametrize(
    ("collection", "values", "last"),
    [
        ("Badges", [0.0] * 117, "0 s"),
        ("Scenarios", [2.5], "2.5 s"),
        ("GameSessions", [1000.0 + at % 600 for at in range(3600)], "1,599 s"),
    ],
)
def test_one_value_noughts_and_thousands_are_drawn(
    page: Page, desk: RunningPlatform, data: Path, collection: str, values: list[float], last: str
) -> None:
    plant_lags(data, collection, an_hour(values))
    page.goto(f"{desk.address}/admin/migration/{collection}")
    expect_painted(page.locator(SECONDS), LINE["light"], LINE["dark"])
    page.locator(SECONDS).focus()
    page.keyboard.press("End")
    expect(page.locator(f"{SECONDS} output")).to_contain_text(f"{last} at ")
    shoot(page, f"chart-of-{len(values)}")


def test_a_chart_that_htmx_brings_is_drawn_and_the_one_it_takes_away_is_let_go(
    page: Page, desk: RunningPlatform
) -> None:
    page.goto(f"{desk.address}{TREND}")
    page.evaluate("address => htmx.ajax('GET', address, {target: 'main', select: 'main > *'})", LAG)
    expect_painted(page.locator(SECONDS), LINE["light"], LINE["dark"])
    assert page.evaluate("window.observed") == page.locator(".plot").count() == 2


def test_without_a_script_the_numbers_are_there_and_no_room_is_kept(
    browser: Browser, page: Page, desk: RunningPlatform
) -> None:
    page.goto(f"{desk.address}{TREND}")
    kept = page.context.storage_state()
    plain = browser.new_context(java_script_enabled=False, storage_state=kept).new_page()
    plain.goto(f"{desk.address}{TREND}")
    expect(plain.locator("figcaption")).to_contain_text("Keys that differ: last 0 at ")
    table = plain.locator(".chart table")
    expect(table).to_be_hidden()
    plain.locator(".chart summary").click()
    expect(table).to_be_visible()
    expect(table.locator("tbody tr")).to_have_count(10)
    expect(plain.locator(".plot")).to_be_hidden()
    plain.context.close()


def test_nothing_moves_when_a_chart_is_drawn(page: Page, desk: RunningPlatform) -> None:
    places = "[...document.querySelectorAll('.chart, .panel')].map((one) => one.getBoundingClientRect().toJSON())"
    page.goto(f"{desk.address}{CALIBRATION}")
    drawn = page.evaluate(places)
    page.route("**/charts.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"{desk.address}{CALIBRATION}")
    expect(page.locator("canvas")).to_have_count(0)
    assert page.evaluate(places) == drawn


def tab_to(page: Page, plot: Locator) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if plot.evaluate("one => one === document.activeElement"):
            assert plot.evaluate("one => getComputedStyle(one).outlineStyle") != "none"
            return
    raise AssertionError("Tab never comes to the chart")


def point_at(page: Page, plot: Locator, across: float) -> None:
    box = plot.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] / 2)


def is_inside(point: Locator, place: Locator) -> bool:
    small, large = point.bounding_box(), place.bounding_box()
    assert small and large
    middle = small["x"] + small["width"] / 2
    return large["x"] - 1 <= middle <= large["x"] + large["width"] + 1


def says(row: list[str]) -> str:
    when, value = row
    return f"{value} at {when} UTC"


def least(told: Locator) -> float:
    """Where the bar begins that is told of."""
    return float(str(told.text_content()).partition("from ")[2].partition(" ")[0])


def moment_of(told: Locator) -> datetime:
    """When that was which is told of, within the last day."""
    now = datetime.now(UTC)
    time = datetime.strptime(str(told.text_content())[-12:], "%H:%M:%S UTC").time()
    at = datetime.combine(now.date(), time, UTC)
    return at if at <= now else at - timedelta(days=1)
