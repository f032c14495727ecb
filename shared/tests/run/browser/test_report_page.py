"""The page as a person meets it: from disk, with and without script."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import expect

TESTS = "table.tests tbody tr"
FINDINGS = "article.finding"


def test_the_page_loads_nothing_but_itself(visit, failing_report):
    page = visit(failing_report)

    assert [url for url in page.requests if not url.endswith("/report.html")] == []
    assert page.errors == []


def test_without_script_all_is_there(visit, failing_report):
    page = visit(failing_report, javascript=False)

    assert len(page.shown(TESTS)) == 25
    assert len(page.shown(FINDINGS)) == 4
    assert page.shown("table.suites tbody tr th")[3] == "basic_read"
    assert page.shown(".verdict") == ["Failed"]
    assert page.shown(".toolbar input, .copy, .chips") == []


def test_without_script_a_long_run_shows_its_worst_tests(visit, long_report):
    page = visit(long_report, javascript=False)

    assert len(page.shown(TESTS)) == 200
    assert "200 of 20 000 tests" in page.shown(".scriptless")[0]


@pytest.fixture(scope="module")
def searched(visit_once, failing_report):
    return visit_once(failing_report)


@pytest.mark.parametrize(
    ("query", "tests", "findings"),
    [
        pytest.param("", 25, 4, id="nothing"),
        pytest.param("  ", 25, 4, id="blanks"),
        pytest.param("test_read", 2, 2, id="a word"),
        pytest.param("TEST_READ", 2, 2, id="in capitals"),
        pytest.param("test_read sequential", 1, 0, id="two words"),
        pytest.param("test_read -sequential", 1, 2, id="and not a word"),
        pytest.param("-passed", 7, 3, id="only not a word"),
        pytest.param("is:failed", 2, 3, id="by outcome"),
        pytest.param("suite:basic_read", 3, 2, id="by suite"),
        pytest.param("rule:ht-inc", 1, 1, id="by rule"),
        pytest.param("postal_code", 0, 1, id="a word of a finding"),
        pytest.param('"no previous version"', 2, 0, id="words side by side"),
        pytest.param('-"no previous version"', 23, 4, id="not side by side"),
        pytest.param("nowhere", 0, 0, id="what isn't there"),
        pytest.param("- -skipped", 3, 4, id="a lone dash is a word"),
    ],
)
def test_the_search_finds(searched, query, tests, findings):
    page = searched

    page.fill("#query", query)

    assert (tests, findings) == (len(page.shown(TESTS)), len(page.shown(FINDINGS)))
    assert (tests == 0) == bool(page.shown("#no-tests"))


def test_a_group_without_a_match_goes_with_its_heading(visit, failing_report):
    page = visit(failing_report)

    page.fill("#query", "postal_code")

    assert page.shown("#findings h3") == [
        "HT-READ-012 Every value keeps the type that its schema declares"
    ]


def test_the_search_lives_in_the_address(visit, failing_report):
    page = visit(failing_report)

    page.fill("#query", "is:failed -zip")

    assert page.hash() == "#q=is%3Afailed+-zip"
    again = visit(failing_report, fragment=page.hash())
    assert again.input_value("#query") == "is:failed -zip"
    assert len(again.shown(TESTS)) == 2


def test_a_chip_searches_and_the_way_back_undoes_it(visit, failing_report):
    page = visit(failing_report)

    page.click(".chips .inconclusive")
    expect(page.locator(TESTS)).to_have_count(2)
    page.click(".chips a:first-child")
    expect(page.locator(TESTS)).to_have_count(25)
    page.go_back()

    expect(page.locator(TESTS)).to_have_count(2)
    assert page.input_value("#query") == "is:inconclusive"


def test_a_column_sorts_up_down_and_back(visit, failing_report):
    page = visit(failing_report)
    head = page.locator("th[data-sort=time] button")
    worst_first = page.shown(TESTS)

    head.click()
    assert page.shown(f"{TESTS} td:last-child")[0] == "0.5 s"
    assert page.locator("th[data-sort=time]").get_attribute("aria-sort") == "ascending"
    head.click()
    assert page.shown(f"{TESTS} td:last-child")[0] == "10.9 s"
    assert page.hash() == "#sort=-time"
    head.click()
    assert page.shown(TESTS) == worst_first


def test_an_unknown_order_in_the_address_is_passed_over(visit, failing_report):
    page = visit(failing_report, fragment="#sort=-__proto__&q=is:failed")

    assert len(page.shown(TESTS)) == 2
    assert page.errors == []


def test_a_section_in_the_address_is_no_search(visit, failing_report):
    page = visit(failing_report, fragment="#executions")

    assert page.input_value("#query") == ""
    assert len(page.shown(TESTS)) == 25


def test_the_navigation_keeps_the_search(visit, failing_report):
    page = visit(failing_report, fragment="#q=is:failed")

    page.click(".toolbar a[href='#tests']")

    assert page.hash() == "#q=is:failed"
    assert page.evaluate("scrollY") > 0


def test_keys_move_search_help_and_clear(visit, failing_report):
    page = visit(failing_report)

    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("j?")
    assert page.input_value("#query") == "j?"
    page.keyboard.press("Escape")
    assert page.input_value("#query") == ""

    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("j")
    second = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("k")
    assert first.startswith("users address.postal_code")
    assert second.startswith("products price")
    assert page.evaluate("document.activeElement.innerText") == first

    page.keyboard.press("?")
    assert page.shown("#help h2") == ["Keys and search"]
    page.keyboard.press("Escape")
    assert page.shown("#help h2") == []


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "none"])
def test_a_command_is_copied(visit, failing_report, clipboard):
    page = visit(failing_report, permissions=["clipboard-read", "clipboard-write"])
    if not clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.evaluate("document.execCommand = () => { window.copied = getSelection().toString(); }")

    page.click("article.finding .copy >> nth=0")

    expect(page.locator(".copy").first).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()" if clipboard else "window.copied")
    assert text == "./run nox -s acceptance -- source-faker -k test_read"


def test_a_key_copies_the_command_of_the_test_at_hand(visit, failing_report):
    page = visit(failing_report, permissions=["clipboard-read", "clipboard-write"])

    page.locator("table.tests tbody tr").nth(2).focus()
    page.keyboard.press("c")

    expect(page.locator("#found")).to_have_text("command copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == "./run nox -s acceptance -- source-faker -k test_read_sequential_slices"


def test_a_long_run_is_unpacked_searched_and_sorted(visit, long_report):
    page = visit(long_report)

    assert page.shown(".scriptless") == []
    assert page.locator(TESTS).count() == 500
    page.click("#more")
    assert page.locator(TESTS).count() == 1000
    page.fill("#query", long_report.verdicts[12_345].test)
    assert page.locator("#found").inner_text() == "1 of 20000 tests"
    assert page.locator(TESTS).count() == 1
    page.fill("#query", "is:inconclusive")
    page.click("th[data-sort=time] button")
    assert page.locator(f"{TESTS} .pill.inconclusive").count() == 400 - 4
    assert page.errors == []


@pytest.fixture(scope="module")
def resized(visit_once, failing_report, hostile_report):
    return {"plain": visit_once(failing_report), "hostile": visit_once(hostile_report)}


@pytest.mark.parametrize("width", [320, 390, 768, 1180])
@pytest.mark.parametrize("report", ["plain", "hostile"])
def test_the_page_never_scrolls_sideways(resized, report, width):
    page = resized[report]

    page.set_viewport_size({"width": width, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_colours(visit, failing_report, scheme):
    page = visit(failing_report, color_scheme=scheme)

    red = (
        page.evaluate("getComputedStyle(document.body).backgroundColor").split("(")[1].split(",")[0]
    )
    assert (int(red) > 128) == (scheme == "light")


def test_paper_has_no_controls_and_all_tests(visit, failing_report):
    page = visit(failing_report)

    page.emulate_media(media="print")

    assert page.shown(".toolbar, .copy, .chips, #more") == []
    assert len(page.shown(TESTS)) == 25


def test_every_control_has_a_name_and_every_plot_words(visit, failing_report):
    page = visit(failing_report)

    nameless = page.evaluate(
        "[...document.querySelectorAll('button, a, input, [role=img], [role=region]')].filter(each =>"
        " !(each.textContent.trim() || each.ariaLabel || each.labels?.length)).length"
    )
    assert nameless == 0
