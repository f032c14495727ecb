"""A connector can write anything into its output. Nothing of it may run in the reader's browser."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from hydrotest_core.run.findings import Outcome

ELEMENTS_OF_OURS = (
    "script, style, form, iframe, object, embed, link, base, img, video, math, textarea"
)


@pytest.fixture(scope="module", params=["written out", "packed"])
def page(request, visit_once, hostile_report):
    """The hostile run's page, once with its tests in the page and once in the packed island."""
    if request.param == "packed":
        more = hostile_report.verdicts * (1 + 600 // len(hostile_report.verdicts))
        hostile_report = msgspec.structs.replace(hostile_report, verdicts=more)
    return visit_once(hostile_report)


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
    plain = [
        text for text in payloads if text.isascii() and text.isprintable() and len(text) < 1000
    ]
    verdicts = [a_verdict("spec", "t", Outcome.SKIPPED, reason=text) for text in plain]

    page = visit(a_report(verdicts=verdicts))

    shown = page.evaluate(
        "[...document.querySelectorAll('.reasons li > p')].map(e => e.textContent)"
    )
    assert shown == plain


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("document.body.innerHTML = '<b>x</b>'", id="text as markup"),
        pytest.param("document.body.setAttribute('onclick', 'window.PWNED = 1')", id="a handler"),
        pytest.param("eval('window.PWNED = 1')", id="text as a script"),
        pytest.param(
            "document.createElement('script').src = 'http://evil.invalid/'", id="a script"
        ),
    ],
)
def test_the_policy_refuses_what_escaping_would_miss(visit, failing_report, attempt):
    page = visit(failing_report)

    page.locator("#keys").evaluate(f"(button) => {{ button.onclick = () => {{ {attempt} }} }}")
    page.click("#keys")

    assert page.errors
    assert page.evaluate("typeof window.PWNED") == "undefined"


@pytest.fixture
def listener():
    """A server on this machine, and the paths that were asked of it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_the_policy_loads_no_image_frame_or_style(visit, failing_report, listener):
    address, asked = listener
    page = visit(failing_report)

    page.evaluate(
        """(address) => {
            for (const tag of ["img", "iframe"]) {
                const element = document.createElement(tag);
                element.src = `${address}/${tag}`;
                document.body.append(element);
            }
            const link = document.createElement("link");
            link.rel = "stylesheet";
            link.href = `${address}/style`;
            document.head.append(link);
        }""",
        address,
    )
    page.goto(f"{address}/last")

    assert asked[0] == "/last"
    assert len([text for text in page.errors if "Content Security Policy" in text]) == 3


def test_a_hostile_address_does_nothing(visit, failing_report):
    page = visit(failing_report, fragment="#q=<img src=x onerror=alert(1)>&sort=constructor")

    is_clean(page)
    assert page.input_value("#query") == "<img src=x onerror=alert(1)>"
