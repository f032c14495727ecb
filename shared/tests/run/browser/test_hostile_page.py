"""A connector can write anything into its output. Nothing of it may run in the reader's browser."""

from __future__ import annotations

import msgspec
import pytest
from hydrotest_core.run.findings import Outcome

ELEMENTS_OF_OURS = "script, style, form, iframe, object, embed, link, base, img, video, math, textarea"


@pytest.fixture(params=["written out", "packed"])
def page(request, visit, hostile_report):
    """The hostile run's page, once with its tests in the page and once in the packed island."""
    if request.param == "packed":
        more = hostile_report.verdicts * (1 + 600 // len(hostile_report.verdicts))
        hostile_report = msgspec.structs.replace(hostile_report, verdicts=more)
    return visit(hostile_report)


def is_clean(page):
    assert page.dialogs == []
    assert page.evaluate("typeof window.PWNED") == "undefined"
    assert [url for url in page.requests if not url.endswith("/report.html")] == []
    assert page.errors == []


def test_the_corpus_is_large_enough(payloads):
    assert len(payloads) >= 60


def test_nothing_runs_when_the_page_opens(page):
    is_clean(page)


def test_nothing_runs_when_the_page_is_used(page):
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.fill("#query", "<img src=x onerror=alert(1)> -javascript:")
    page.fill("#query", "script")
    page.click("th[data-sort=test] button")
    if page.locator("#more").is_visible():
        page.click("#more")
    for summary in page.locator("summary").all()[:5]:
        summary.click()
    page.locator(".copy").first.click(force=True)

    is_clean(page)


def test_connector_text_makes_no_element(page, visit, failing_report):
    counts = "[...document.querySelectorAll('%s')].map(each => each.tagName).sort().join()"
    hostile = page.evaluate(counts % ELEMENTS_OF_OURS)

    ours = visit(failing_report).evaluate(counts % ELEMENTS_OF_OURS)
    assert hostile.replace("SCRIPT,SCRIPT", "SCRIPT") == ours


def test_no_link_leads_away(page):
    links = page.evaluate("[...document.querySelectorAll('a')].map(each => each.href)")

    assert links
    assert [link for link in links if not link.startswith("file://")] == []


def test_each_payload_is_shown_as_text(visit, a_report, a_verdict, payloads):
    plain = [text for text in payloads if text.isascii() and text.isprintable() and len(text) < 1000]
    verdicts = [a_verdict("spec", "t", Outcome.SKIPPED, reason=text) for text in plain]

    page = visit(a_report(verdicts=verdicts))

    shown = page.evaluate("[...document.querySelectorAll('.reasons li > p')].map(e => e.textContent)")
    assert shown == plain


def test_the_policy_stops_what_escaping_would_miss(visit, failing_report):
    page = visit(failing_report)

    # A page that made an element out of text after all: trusted types refuse the text,
    # and the policy refuses the handler of an element that was put together by hand.
    refused = page.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; } catch (e) { return e.name; } })()"
    )
    page.evaluate(
        "(() => { const i = document.createElement('img'); i.setAttribute('onerror', 'window.PWNED=1');"
        " i.src = 'http://evil.invalid/'; document.body.append(i); })()"
    )
    page.wait_for_timeout(100)

    assert refused == "TypeError"
    assert page.evaluate("typeof window.PWNED") == "undefined"
    assert [url for url in page.requests if not url.endswith("/report.html")] == []


def test_a_hostile_address_does_nothing(visit, failing_report):
    page = visit(failing_report, fragment="#q=<img src=x onerror=alert(1)>&sort=constructor")

    is_clean(page)
    assert page.input_value("#query") == "<img src=x onerror=alert(1)>"
