"""Looks at a page as people do: at two widths, light and dark, with axe and with a finger."""

import base64
import os
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from playwright.sync_api import CDPSession, Page, expect

HERE = Path(__file__).parent
SHOTS = Path(os.environ.get("MYSTIRA_TEST_SCREENSHOTS", HERE / "screenshots"))
AXE = (HERE / "vendor/axe.min.js").read_text()
WIDTHS = {"phone": (360, 740), "desk": (1440, 900)}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PAPER = (
    ("body", "backgroundColor", {"rgb(255, 255, 255)"}),
    (".scroller", "backgroundColor", {"rgb(255, 255, 255)"}),
    ("tbody td", "color", {"rgb(0, 0, 0)", "rgb(51, 51, 51)"}),
)
COLOURS = "([place, what]) => [...document.querySelectorAll(place)].map((one) => getComputedStyle(one)[what])"
TOUCH_PX = 44

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
Rules = dict[str, Any]
EVERY_RULE: Rules = {"runOnly": {"type": "tag", "values": LEVELS}, "rules": {"target-size": {"enabled": True}}}
# Another scheme has other colours and is the same page otherwise, and axe takes its time.
ABOUT_COLOURS: Rules = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
NO_RULES: Rules = {}
Looked = tuple[Scheme, str, Rules]
_connections: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()
AXE_RUN = """async (rules) => {
  const found = await axe.run(document, {...rules, resultTypes: ["violations"]});
  return found.violations.map((one) => ({rule: one.id, where: one.nodes.map((node) => node.target.join(" ") + ": " + node.failureSummary)}));
}"""  # noqa: E501
# Links inside running text may be as small as the text; whatever else is pressed needs room for a finger.
SMALL = """(least) => [...document.querySelectorAll("button, .button, input, select, summary, label:has(input)")]
  .filter((one) => one.getClientRects().length && !one.closest(".hidden, .skip"))
  .map((one) => [one, (one.closest("label") ?? one).getBoundingClientRect()])
  .filter(([one, box]) => box.height < least || box.width < least)
  .map(([one, box]) => `${one.outerHTML.slice(0, 90)} is ${Math.round(box.width)} x ${Math.round(box.height)}`)"""

# What sticks out, the innermost first; nothing while the page itself fits.
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth && !one.closest(".scroller"))
  .map((one) => `${one.outerHTML.slice(0, 90)} ends at ${Math.round(one.getBoundingClientRect().right)}`)
  .reverse().concat("the page")"""
MEASURED = f"""async (least) => {{
  await document.fonts.ready;
  return [document.getAnimations().length, ({TOO_WIDE})(), ({SMALL})(least)];
}}"""


def shoot(page: Page, name: str) -> None:
    """Keep pictures of a page, and fail for what sticks out, is too small to touch, or shuts somebody out."""
    first, second = SCHEMES
    # What axe looks at is the same at both widths.
    phone: list[Looked] = [(first, "phone", EVERY_RULE), (second, "phone", ABOUT_COLOURS)]
    _look(page, name, [*phone, (first, "desk", NO_RULES), (second, "desk", NO_RULES)])


def glance(page: Page, name: str, *, dark: bool) -> None:
    """Look at a page once at each width, the phone in one scheme and the desk in the other."""
    phone, desk = reversed(SCHEMES) if dark else SCHEMES
    _look(page, name, [(phone, "phone", EVERY_RULE), (desk, "desk", NO_RULES)])


def _look(page: Page, name: str, looked: list[Looked]) -> None:
    # A click may have begun to load the next page; there is nothing to look at until it is there.
    page.wait_for_load_state("load")
    expect(page.locator("main")).to_be_visible()
    shown = ""
    for scheme, kind, rules in looked:
        width, height = WIDTHS[kind]
        # Without motion nothing is half transparent when its contrast is measured.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if kind != shown:
            page.set_viewport_size({"width": width, "height": height})
            shown = kind
        where = f"{name} ({kind}, {scheme})"
        moving, wide, small = page.evaluate(MEASURED, TOUCH_PX)
        assert moving == 0, f"{where} moves although less motion was asked for"
        assert wide == [], f"{where} is too wide: {wide}"
        keep(page, f"{name}-{kind}-{scheme}")
        found = violations(page, rules) if rules else []
        assert found == [], f"{where}: {found}"
        assert small == [], f"{where}: {small}"
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")


def keep(page: Page, name: str) -> None:
    """Keep a picture of the whole page; asked for directly, for the way around takes twice as long."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    # A connection that ended would take the media and the scheme with it that the page is to be seen in.
    if page not in _connections:
        _connections[page] = page.context.new_cdp_session(page)
    asked = {"format": "png", "captureBeyondViewport": True, "optimizeForSpeed": True}
    picture = _connections[page].send("Page.captureScreenshot", asked)["data"]
    (SHOTS / f"{name}.png").write_bytes(base64.b64decode(picture))


def on_paper(page: Page, name: str) -> None:
    """Look at a page as it is printed from a dark screen: black on white, whole, without what is for clicking."""
    page.emulate_media(media="print", color_scheme="dark")
    # The width of A4 on its side, less its margins, in CSS pixels.
    page.set_viewport_size({"width": 1040, "height": 720})
    keep(page, f"{name}-print")
    expect(page.get_by_role("navigation", name="Administration")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is cut off on paper"
    for place, what, colours in PAPER:
        found = page.evaluate(COLOURS, [place, what])
        assert set(found) <= colours, (name, place, set(found))
    page.emulate_media(media="screen", color_scheme="light")


def violations(page: Page, rules: Rules = EVERY_RULE) -> list[Any]:
    """What axe finds against the rules of WCAG 2.2, levels A and AA."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    return page.evaluate(AXE_RUN, rules)


def watched(page: Page) -> list[str]:
    """Everything that the page will complain about in its console."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said
