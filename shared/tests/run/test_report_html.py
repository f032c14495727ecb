"""What can be said of the page without a browser; `browser/` opens it in one."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hydrotest_core.connector.execution import Command
from hydrotest_core.run import report_html
from hydrotest_core.run.findings import Outcome
from hydrotest_core.run.report_html import page, write_html
from hydrotest_core.testing.payloads import raw_controls

TEMPLATES = Path(report_html.__file__).parent / "templates"
OURS = re.compile(
    r"a|article|b|body|button|code|dd|dialog|div|dl|dt|footer|form|h1|h2"
    r"|h3|h4|head|header|html|input|kbd|label|li|line|main|meta|nav|ol"
    r"|output|p|pre|rect|script|section|span|style|svg|table|tbody|td"
    r"|template|text|th|thead|title|tr|ul|details|summary"
)
URL_ATTRIBUTES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "xlink:href"}


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.raw = {"script": [], "style": []}
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag if tag in self.raw else ""
        if self._inside:
            self.raw[tag].append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside:
            self.raw[self._inside][-1] += data


def policy(elements):
    for tag, attributes in elements.found:
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy":
            return dict(part.split(" ", 1) for part in attributes["content"].split("; "))
    return {}


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.fixture(params=["failing_report", "passing_report", "hostile_report", "long_report"])
def elements(request):
    return Elements(page(request.getfixturevalue(request.param)))


def test_the_page_allows_our_script_and_style_and_nothing_else(elements):
    rules = policy(elements)

    (style,) = elements.raw["style"]
    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == f"'sha256-{digest(style)}'"
    assert rules["script-src"] == f"'sha256-{digest(elements.raw['script'][-1])}'"
    assert (rules["base-uri"], rules["form-action"]) == ("'none'", "'none'")


def test_the_page_has_only_elements_of_ours(elements):
    assert [tag for tag, _ in elements.found if not OURS.fullmatch(tag)] == []


def test_no_element_runs_or_loads_anything(elements):
    for tag, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in URL_ATTRIBUTES & set(attributes):
            assert re.fullmatch(r"#[a-z:=-]*|(\.\./)*\w[\w./-]*", attributes[name]), (
                tag,
                attributes,
            )


def test_templates_mark_nothing_as_safe_and_quote_every_attribute():
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text()

        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), path
        assert not re.search(r"=\{\{|=\{%", text), path


def test_the_script_puts_text_in_as_text_only():
    script = (TEMPLATES / "report.js").read_text()

    forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "http",
    ]
    assert [word for word in forbidden if word in script] == []


def test_text_is_escaped_once_and_once_only(a_report):
    text = page(a_report(warnings=["<b>&amp;</b> \"'\x1b"]))

    assert "<li>&lt;b&gt;&amp;amp;&lt;/b&gt; &#34;&#39;\\x1b</li>" in text.replace(
        "&quot;", "&#34;"
    ).replace("&#x27;", "&#39;")


def test_hostile_text_leaves_nothing_invisible_on_the_page(hostile_report, is_printable):
    assert is_printable(page(hostile_report))


def test_no_payload_is_on_the_page_as_it_came(hostile_reports):
    for report in hostile_reports:
        assert raw_controls(page(report)) == []


@pytest.mark.parametrize(
    ("path", "is_link"),
    [
        pytest.param("executions/read-1", True, id="below the report"),
        pytest.param("../../cache/ab12", True, id="beside the run"),
        pytest.param("javascript:alert(1)", False, id="a scheme"),
        pytest.param("//evil.invalid/x", False, id="a host"),
        pytest.param("/etc/passwd", False, id="from the root"),
        pytest.param("a b", False, id="a blank"),
        pytest.param("a%2e?x", False, id="a query"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_only_paths_of_ours_become_links(a_report, an_execution, path, is_link):
    found = Elements(
        page(a_report(executions=[an_execution(Command.READ, "k", 0, 1, directory=path)]))
    ).found

    links = [attributes["href"] for tag, attributes in found if tag == "a"]
    assert is_link == (path in links)


def test_a_page_of_few_tests_has_them_all_written_out(failing_report):
    text = page(failing_report)

    assert 'id="island"' not in text
    assert all(verdict.test in text for verdict in failing_report.verdicts)


def test_a_page_of_many_tests_packs_them(long_report):
    elements = Elements(page(long_report))

    rows = json.loads(gzip.decompress(base64.b64decode(elements.raw["script"][0])))

    assert len(rows) == 20_000
    assert [row[0] for row in rows[:200]] == ["failed"] * 200
    assert rows[0][1].startswith("TestSpec::test_read[stream_")


def test_a_page_of_many_tests_stays_below_two_megabytes(long_report):
    assert len(page(long_report).encode()) < 2_000_000


def test_the_same_run_makes_the_same_page(long_report):
    assert page(long_report) == page(long_report)


def test_the_page_says_what_it_leaves_out(a_report, a_verdict, an_execution, a_finding):
    skipped = [a_verdict("spec", f"t{n}", Outcome.SKIPPED, reason="r") for n in range(30)]
    failed = a_verdict("spec", "f", Outcome.FAILED, findings=(a_finding,) * 60)
    silent = [a_verdict("spec", f"s{n}", Outcome.FAILED, reason=f"r{n}") for n in range(55)]
    alike = [a_verdict("spec", f"a{n}", Outcome.FAILED, reason="r0") for n in range(30)]
    streams = [(f"s{n}", n) for n in range(50)]
    ran = [an_execution(Command.READ, str(n), n, 1, streams) for n in range(210)]

    text = page(
        a_report(verdicts=[failed, *silent, *alike, *skipped], executions=ran, warnings=["w"] * 110)
    )

    for words in (
        "10 more findings of this rule in report.json",
        "5 more reasons in report.json",
        "11 more tests with this reason",
        "10 more tests with this reason",
        "10 more executions in report.json",
        "10 more streams in report.json",
        "10 more stand in report.json",
    ):
        assert words in text


def test_an_empty_run_has_a_page(a_report):
    text = page(a_report(verdicts=[], executions=[], warnings=[], plugins=[], image=None))

    for words in ("No test ran.", "No suite ran.", "No rule was found broken.", "Nothing was run."):
        assert words in text


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        pytest.param("FAILED INCONCLUSIVE PASSED", "1 of 3 tests failed; 1 could not be judged.", id="failed"),
        pytest.param("PASSED INCONCLUSIVE", "Nothing failed, but 1 of 2 tests could not be judged.", id="inconclusive"),
        pytest.param("SKIPPED SKIPPED", "2 tests, all of them skipped.", id="skipped"),
        pytest.param("PASSED SKIPPED", "1 test passed, 1 skipped with a reason.", id="passed"),
    ],
)  # fmt: skip
def test_the_banner_says_it_in_one_sentence(a_report, a_verdict, outcomes, sentence):
    verdicts = [a_verdict("spec", "t", Outcome[name]) for name in outcomes.split()]

    text = page(a_report(verdicts=verdicts))

    (said,) = re.findall(r'class="sentence">(.*?)</p>', text, re.DOTALL)
    assert " ".join(said.split()) == sentence


def test_the_file_is_for_its_owner_alone(tmp_path, failing_report):
    write_html(failing_report, tmp_path / "report.html")

    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600
    assert page(failing_report) == (tmp_path / "report.html").read_text()


def test_the_end_of_stderr_is_shown_where_an_execution_did_not_end_well(a_report, an_execution):
    ran = [
        an_execution(Command.CHECK, "well", 0, 1, stderr_tail=["fine"]),
        an_execution(Command.READ, "badly", 0, 1, stderr_tail=["first", "boom"], exit_code=1),
    ]

    text = page(a_report(executions=ran))

    assert "fine" not in text
    assert "first\nboom\n" in text


def test_a_run_that_was_cut_short_says_so_at_the_top(a_report):
    text = page(a_report(interrupted="<Ctrl-C>", not_run=3))

    assert "<title>INTERRUPTED: " in text
    assert '<p class="verdict">Interrupted</p>' in text
    assert "Cut short by &lt;Ctrl-C&gt;, 3 tests not run." in text
    assert "Interrupted" not in page(a_report())
