"""A child plays in a real browser: to two endings, over a restart, with and without JavaScript."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.looks import shoot, watched
from tests.browser.playing import STORY, begin, choose, enter, enter_anew, go_on, play_on, press
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser


def moves_so_far(page: Page) -> str:
    return page.locator(".progress span").nth(1).inner_text()


def test_a_story_is_played_to_two_different_endings(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    said = watched(page)
    enter_anew(page, running.address)
    begin(page)
    first = play_on(page, ("Wake the owl", "nothing for a while", "lift", "click at a time", "last click"))
    go_on(page)
    expect(page.get_by_role("heading", name="Mira's compass")).to_be_visible()
    expect(page.get_by_text("A story finished")).to_be_visible()
    page.get_by_role("link", name="Play again").click()
    page.get_by_role("button", name="Begin the story").click()
    second = play_on(page, ("Run to the trees", "thank you", "little door", "why that wheel", "message", "take turns"))
    assert first != second
    assert said == []
    page.close()


def test_two_children_and_a_guest_each_get_a_character_of_their_own(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    said = watched(page)
    enter_anew(page, running.address)
    choose(page)
    page.get_by_role("checkbox", name="Tomas").check()
    mira, tomas = page.get_by_role("group", name="Mira is …"), page.get_by_role("group", name="Tomas is …")
    expect(mira.get_by_role("radio", name="Pip")).to_be_checked()
    expect(tomas.get_by_role("radio", name="Cog")).to_be_checked()
    # Whoever takes a character that is taken leaves the free one to the other.
    tomas.get_by_role("radio", name="Pip").check(force=True)
    expect(mira.get_by_role("radio", name="Cog")).to_be_checked()
    page.get_by_text("Is somebody visiting?").click()
    page.get_by_label("A guest's first name").first.fill("Gus")
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("heading", name="The gate that hums")).to_be_visible()
    here = page.get_by_role("list", name="Who plays")
    expect(here).to_contain_text("Mira Cog")
    expect(here).to_contain_text("Tomas Pip")
    expect(here).to_contain_text("Gus")
    assert said == []
    page.close()


def test_without_javascript_a_wrong_choice_comes_back_with_what_is_wrong(
    browser: Browser, running: RunningPlatform
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    enter_anew(page, running.address)
    choose(page)
    page.get_by_role("checkbox", name="Mira").uncheck()
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("alert")).to_have_text("Choose at least one player of your family.")
    page.get_by_role("checkbox", name="Mira").check()
    page.get_by_role("checkbox", name="Tomas").check()
    page.get_by_role("group", name="Mira is …").get_by_role("radio", name="Cog").check(force=True)
    page.get_by_role("group", name="Tomas is …").get_by_role("radio", name="Cog").check(force=True)
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("alert")).to_contain_text("Two players cannot be the same character")
    expect(page.get_by_role("checkbox", name="Tomas")).to_be_checked()
    page.get_by_role("group", name="Tomas is …").get_by_role("radio", name="Along for the ride").check(force=True)
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("list", name="Who plays")).to_contain_text("Mira Cog")
    context.close()


def test_a_game_goes_on_after_a_restart(browser: Browser, data: Path) -> None:
    running = RunningPlatform(data).wait_until_ready()
    page = browser.new_page()
    enter(page, running.address)
    begin(page)
    page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    assert running.stop() == 0, running.output
    running = RunningPlatform(data, running.port).wait_until_ready()
    page.goto(running.address)
    expect(page.get_by_role("heading", name="Continue where you left off")).to_be_visible()
    shoot(page, "home-continue")
    page.locator(".games").get_by_role("link", name=STORY).click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    page.close()
    assert running.stop() == 0, running.output


def test_double_clicks_the_back_button_and_two_tabs_never_fork_a_game(
    browser: Browser, running: RunningPlatform
) -> None:
    context = browser.new_context()
    # Without events no tab hears of the other one, as on a connection that lets no streams through.
    context.route("**/api/v1/sessions/*/events", lambda route: route.abort())
    page = context.new_page()
    enter_anew(page, running.address)
    begin(page)
    other = context.new_page()
    other.goto(page.url)
    page.locator(".choices button").first.dblclick()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    expect(page.locator(".progress span").nth(1)).to_have_text("Move 2")
    # The other tab still shows the first scene; its button is the very same move, so it brings its answer.
    other.locator(".choices button").first.click()
    expect(other.get_by_role("heading", name="A very polite robot")).to_be_visible()
    other.locator(".choices button").first.click()
    expect(other.get_by_role("heading", name="One ear against the bark")).to_be_visible()
    # This tab now asks for something that is over.
    page.locator(".choices button").nth(1).click()
    expect(page.locator(".happening").get_by_text("The story has moved on")).to_be_visible()
    expect(page.get_by_role("heading", name="One ear against the bark")).to_be_visible()
    page.go_back()
    page.goto(other.url)
    expect(page.locator(".progress span").nth(1)).to_have_text("Move 3")
    context.close()


@pytest.mark.parametrize("streams", [False, True], ids=["without events", "with events"])
def test_a_lost_answer_is_asked_for_again_and_moves_once(
    browser: Browser, running: RunningPlatform, streams: bool
) -> None:
    page = browser.new_page()
    if not streams:
        page.route("**/api/v1/sessions/*/events", lambda route: route.abort())
    enter_anew(page, running.address)
    begin(page)
    arrived: list[int] = []

    def lose(route: Route) -> None:
        arrived.append(route.fetch().status)
        route.abort("connectionreset")

    page.route("**/moves", lose)
    page.locator(".choices button").first.click()
    if streams:
        # The event tells that the move was made, so nobody has to press again; and nobody else made it.
        expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
        expect(page.get_by_text("on another device")).to_have_count(0)
    else:
        expect(page.get_by_role("alert")).to_have_text(re.compile("The answer got lost"))
        expect(page.get_by_role("heading", name="The gate that hums")).to_be_visible()
    assert arrived == [200], "the move itself has to reach the server"
    page.unroute("**/moves")
    if not streams:
        page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_text("The story has moved on")).to_have_count(0)
    page.reload()
    assert moves_so_far(page) == "Move 2"
    page.close()


def test_the_keys_choose_and_nothing_is_chosen_outside_the_scene(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    enter_anew(page, running.address)
    begin(page)
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    page.get_by_role("link", name="Family").focus()
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert moves_so_far(page) == "Move 2"
    page.get_by_role("heading", name="A very polite robot").click()
    page.keyboard.press("2")
    expect(page.locator("h1")).not_to_have_text("A very polite robot")
    page.close()


def test_a_scene_is_read_aloud_and_falls_silent_when_it_is_left(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.add_init_script(
        "window.heard = []; speechSynthesis.speak = (words) => heard.push(words.text);"
        "speechSynthesis.cancel = () => heard.push('(silence)');"
    )
    enter_anew(page, running.address)
    begin(page)
    page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    page.get_by_role("button", name="Read aloud").click()
    heard = page.evaluate("heard.at(-1)")
    assert heard.startswith("A very polite robot\n")
    for choice in page.locator(".choices button span:not(.number)").all_inner_texts():
        assert choice in heard
    expect(page.get_by_role("button", name="Stop reading")).to_have_attribute("aria-pressed", "true")
    page.locator(".choices button").first.click()
    expect(page.locator("h1")).not_to_have_text("A very polite robot")
    assert page.evaluate("heard.at(-1)") == "(silence)"
    page.close()


def test_an_echo_that_comes_back_is_a_moment_of_its_own_and_is_announced(
    browser: Browser, running: RunningPlatform
) -> None:
    page = browser.new_page()
    enter_anew(page, running.address)
    begin(page)
    play_on(page, ("Wake the owl",), until="The mouse with the necklace")
    moment = page.locator(".moment")
    expect(moment.get_by_role("heading")).to_be_focused()
    told = moment.locator("p").inner_text()
    expect(page.get_by_role("status").filter(has_text=told)).to_have_count(1)
    expect(page.get_by_role("heading", name="The mouse with the necklace")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="The mouse with the necklace")).to_be_focused()
    page.close()


def test_everything_works_without_javascript(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    enter_anew(page, running.address)
    page.get_by_label("Find a story").fill("clockwork")
    page.get_by_role("button", name="Show").click()
    begin(page)
    for _ in range(40):
        if page.get_by_role("heading", name="The end", exact=True).count():
            break
        press(page, ())
    expect(page.get_by_role("heading", name="The end", exact=True)).to_be_visible()
    context.close()


def test_searching_narrows_the_shelf_as_one_types(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.goto(running.address)
    page.get_by_label("Find a story").press_sequentially("zzz nothing like this")
    expect(page.get_by_text("No story fits")).to_be_visible()
    page.get_by_label("Find a story").fill("orchard")
    expect(page.get_by_role("link", name=STORY)).to_be_visible()
    page.close()


def test_a_second_device_follows_the_first_and_the_first_hears_no_echo_of_itself(
    browser: Browser, running: RunningPlatform
) -> None:
    first = browser.new_context()
    page = first.new_page()
    enter_anew(page, running.address)
    begin(page)
    second = browser.new_context(storage_state=first.storage_state())
    other = second.new_page()
    other.goto(page.url)
    for _ in range(3):
        title = page.locator("h1").text_content() or ""
        go_on(page)
        press(page, ())
        expect(page.locator("h1")).not_to_have_text(title)
        now = page.locator("h1").text_content() or ""
        expect(other.locator("h1")).to_have_text(now)
        expect(other.locator("#scene .happening", has_text="on another device")).to_be_visible()
        expect(page.locator("#scene").get_by_text("on another device")).to_have_count(0)
    go_on(other)
    press(other, ())
    expect(page.locator("#scene .happening", has_text="on another device")).to_be_visible()
    expect(page.locator("h1")).to_have_text(other.locator("h1").text_content() or "")
    first.close()
    second.close()


def test_a_game_is_paused_goes_on_with_the_next_choice_and_is_given_up(
    browser: Browser, running: RunningPlatform
) -> None:
    page = browser.new_page()
    enter_anew(page, running.address)
    begin(page)
    address = page.url
    page.get_by_text("Stop here").click()
    shoot(page, "scene-stopping")
    page.get_by_role("button", name="Pause: the story waits for you").click()
    page.locator(".games").get_by_role("link", name=STORY).click()
    page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    page.get_by_text("Stop here").click()
    page.get_by_role("button", name="Give this game up").click()
    expect(page.get_by_role("heading", name="Continue where you left off")).to_have_count(0)
    page.goto(address)
    expect(page.get_by_role("heading", name="This game was given up")).to_be_visible()
    page.close()
