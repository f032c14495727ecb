"""A Chromium for the tests of this folder; without one they are skipped, aloud."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# A quiet browser: no sandbox, since CI runs as root, and nothing it asks for by itself.
ARGUMENTS = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable():
    return os.environ.get("HYDROTEST_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )


def why_not():
    """Say why no browser can be driven, or return "" where one can."""
    try:
        import playwright.sync_api  # noqa: F401, PLC0415 - only where these tests were collected
    except ImportError:
        return "playwright is not installed"
    return "" if executable() else f"no browser is installed: none of {', '.join(NAMES)}"


def pytest_collection_modifyitems(items):
    """Skip this folder's tests without a browser; `HYDROTEST_REQUIRE_BROWSER=1` forbids that."""
    ours = [item for item in items if HERE in item.path.parents]
    reason = why_not() if ours else ""
    if reason and os.environ.get("HYDROTEST_REQUIRE_BROWSER") == "1":
        pytest.exit(f"HYDROTEST_REQUIRE_BROWSER=1, but {reason}", returncode=3)
    for item in ours if reason else ():
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page that is open, and all that happened on it that should not."""

    def __init__(self, tab):
        self.tab = tab
        self.requests = []
        self.dialogs = []
        self.errors = []
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("dialog", self._dialog)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on(
            "console", lambda line: self.errors.append(line.text) if line.type == "error" else None
        )

    def _dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def __getattr__(self, name):
        return getattr(self.tab, name)

    def shown(self, selector):
        """Return the text of each element that is to be seen."""
        return self.tab.eval_on_selector_all(
            selector,
            "(all) => all.filter((each) => each.checkVisibility()).map((each) => each.innerText)",
        )

    def hash(self):
        return self.tab.evaluate("location.hash")


@contextlib.contextmanager
def visits(browser, folder):
    """Yield what opens a run's page from disk; each visit has cookies and rights of its own."""
    from hydrotest_core.run.report_html import write_html  # noqa: PLC0415 - wants jinja2

    contexts = []

    def open_page(report, *, javascript=True, fragment="", **options):
        path = folder / "report.html"
        write_html(report, path)
        contexts.append(browser.new_context(java_script_enabled=javascript, **options))
        visit = Visit(contexts[-1].new_page())
        visit.tab.goto(path.as_uri() + fragment)
        if javascript:
            visit.tab.wait_for_selector("html[data-ready]", state="attached")
        return visit

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Open a run's page: `visit(report, javascript=False, fragment="#q=users")`."""
    with visits(browser, tmp_path) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def visit_once(browser, tmp_path_factory):
    """The same, for a page that many tests look at and none changes for good."""
    with visits(browser, tmp_path_factory.mktemp("page")) as open_page:
        yield open_page
