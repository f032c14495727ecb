from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest

from hydrotest_core.run.findings import Outcome
from hydrotest_core.run.report_junit import junit_xml, write_junit
from hydrotest_core.testing.payloads import raw_controls, runner_commands


@pytest.fixture
def tree(failing_report):
    return ET.fromstring(junit_xml(failing_report))


def test_every_verdict_is_a_testcase_of_its_suite(tree, failing_report):
    suites = {suite.get("name"): len(suite.findall("testcase")) for suite in tree}

    assert suites == {
        "source-faker.spec": 11,
        "source-faker.connection": 2,
        "source-faker.discovery": 5,
        "source-faker.basic_read": 3,
        "source-faker.full_refresh": 1,
        "source-faker.incremental": 3,
    }
    assert tree.get("tests") == str(len(failing_report.verdicts))


@pytest.mark.parametrize(
    ("suite", "totals"),
    [
        pytest.param(None, ("25", "2", "2", "3"), id="all"),
        pytest.param("spec", ("11", "0", "0", "1"), id="one that passed"),
        pytest.param("incremental", ("3", "1", "2", "0"), id="one that failed"),
    ],
)
def test_totals_agree_with_the_cases(tree, suite, totals):
    node = tree if suite is None else tree.find(f"testsuite[@name='source-faker.{suite}']")

    assert totals == tuple(node.get(key) for key in ("tests", "failures", "errors", "skipped"))
    assert totals[1:] == tuple(
        str(len(list(node.iter(tag)))) for tag in ("failure", "error", "skipped")
    )


def test_what_was_judged_stands_in_the_properties(tree):
    for suite in tree:
        facts = {each.get("name"): each.get("value") for each in suite.iter("property")}

        assert facts["connector.name"] == "source-faker"
        assert facts["connector.digest"].startswith("sha256:b967c0de1234")
        assert facts["runner"] == "docker"


def test_an_unknown_fact_is_left_out(failing_report):
    report = msgspec.structs.replace(failing_report, image=None)

    names = {each.get("name") for each in ET.fromstring(junit_xml(report)).iter("property")}

    assert "connector.image" not in names


def test_a_failure_says_what_a_person_needs(tree):
    (failure,) = tree.find("testsuite[@name='source-faker.basic_read']").iter("failure")

    assert failure.get("type") == "HT-READ-012"
    assert failure.get("message").endswith('expected ["null", "string"], got integer (and 1 more)')
    for words in ("users address.postal_code", "products price", "Reproduce: ./run", "Waive:"):
        assert words in failure.text


def test_an_inconclusive_test_is_an_error_not_a_success(tree):
    errors = [error.get("message") for error in tree.iter("error")]

    assert errors == [
        "no records were read after the first state, so nothing could be compared",
        "the connector was stopped after 5 s, before its first state",
    ]


def test_a_test_has_its_class_its_name_and_its_time(tree):
    case = tree.find("testsuite[@name='source-faker.connection']/testcase")

    assert (
        case.get("classname"),
        case.get("name"),
        case.get("time"),
    ) == ("source-faker.connection.TestConnection", "test_check[inputs0]", "2.700")


def test_a_failure_without_a_finding_carries_what_was_said(a_report, a_verdict):
    report = a_report(
        verdicts=[
            a_verdict("spec", "t", Outcome.FAILED, reason="Traceback\nKeyError: 'x'"),
            a_verdict("spec", "u", Outcome.FAILED),
        ]
    )

    first, second = ET.fromstring(junit_xml(report)).iter("failure")

    assert (first.get("message"), first.text) == ("KeyError: 'x'", "Traceback\nKeyError: 'x'")
    assert second.get("message") == "no reason was given"


def test_a_test_with_hundreds_of_findings_stays_small(a_report, a_verdict, a_finding):
    verdict = a_verdict("spec", "t", Outcome.FAILED, findings=(a_finding,) * 400)
    report = a_report(verdicts=[verdict])

    (failure,) = ET.fromstring(junit_xml(report)).iter("failure")

    assert failure.text.endswith("350 more findings stand in report.json.")


def test_hostile_text_is_well_formed_and_printable(hostile_report, is_printable):
    data = junit_xml(hostile_report)

    assert is_printable(data.decode())
    for node in ET.fromstring(data).iter():
        for text in (node.text or "", *node.attrib.values()):
            assert is_printable(text), repr(text)


def test_no_payload_is_in_the_file_as_it_came(hostile_reports):
    for report in hostile_reports:
        data = junit_xml(report).decode()
        texts = [text for node in ET.fromstring(data).iter() for text in _texts(node)]

        assert raw_controls(data + "".join(texts)) == []
        assert [text for text in texts if runner_commands(text)] == []


def _texts(node):
    return [node.text or "", *node.attrib.values()]


def test_an_empty_run_is_a_valid_file(a_report):
    tree = ET.fromstring(junit_xml(a_report(verdicts=[])))

    assert (tree.get("tests"), list(tree)) == ("0", [])


def test_the_file_is_for_its_owner_alone(tmp_path, failing_report):
    write_junit(failing_report, tmp_path / "junit.xml")

    assert (tmp_path / "junit.xml").stat().st_mode & 0o777 == 0o600
    assert junit_xml(failing_report) == (tmp_path / "junit.xml").read_bytes()


def test_a_run_that_was_cut_short_has_an_error_that_says_so(a_report):
    root = ET.fromstring(junit_xml(a_report(interrupted="SIGTERM", not_run=1)))

    (suite,) = [one for one in root if one.get("name", "").endswith(".run")]
    (case,) = suite
    (error,) = case
    assert suite.get("errors") == suite.get("tests") == "1"
    assert error.get("message") == "interrupted by SIGTERM; 1 test not run"
    assert (case.get("name"), error.get("type")) == ("interrupted", "interrupted")


def test_a_run_that_came_to_its_end_has_none(tree):
    assert [one for one in tree if one.get("name", "").endswith(".run")] == []
