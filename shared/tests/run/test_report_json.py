from __future__ import annotations

import re
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest

from hydrotest_core.errors import UsageError
from hydrotest_core.run.report_json import read_report, schema, schema_text, write_report
from hydrotest_core.testing.payloads import raw_controls

COMMITTED = Path(__file__).parents[3] / "docs" / "formats" / "report.schema.json"


def test_a_report_is_read_as_it_was_written(tmp_path, failing_report):
    write_report(failing_report, tmp_path / "report.json")

    assert failing_report == read_report(tmp_path / "report.json")


def test_a_report_is_for_its_owner_alone(tmp_path, failing_report):
    write_report(failing_report, tmp_path / "report.json")

    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o600


def test_hostile_text_costs_no_report(tmp_path, hostile_report):
    write_report(hostile_report, tmp_path / "report.json")

    read = read_report(tmp_path / "report.json")

    assert len(hostile_report.verdicts) == len(read.verdicts)
    assert "\\ud800lone\\udfff" in read.warnings


def test_the_file_shows_no_payload_raw_and_holds_it_exactly(tmp_path, hostile_reports):
    for report in hostile_reports:
        write_report(report, tmp_path / "report.json")

        assert raw_controls((tmp_path / "report.json").read_text()) == []
        if not re.search("[\ud800-\udfff]", report.connector):  # JSON has no word for it.
            assert read_report(tmp_path / "report.json") == report


def test_fields_of_a_later_release_are_passed_over(tmp_path, failing_report):
    data = msgspec.to_builtins(failing_report) | {"from_the_future": 1}
    (tmp_path / "report.json").write_bytes(msgspec.json.encode(data))

    assert failing_report == read_report(tmp_path / "report.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "The report can't be read.", id="missing"),
        pytest.param(b"", "The file is no report of hydrotest.", id="empty"),
        pytest.param(b"{", "The file is no report of hydrotest.", id="cut off"),
        pytest.param(b"[]", "The file is no report of hydrotest.", id="another JSON"),
        pytest.param(b"\xff\xfe", "The file is no report of hydrotest.", id="no text"),
        pytest.param(b'{"format_version": 1}', "The file is no report of hydrotest.", id="half"),
        pytest.param(
            b'{"format_version": 1, "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
            "The file is no report of hydrotest.",
            id="too deep",
        ),
        pytest.param(
            b'{"format_version": 2}', "The report was written by a newer hydrotest.", id="newer"
        ),
    ],
)
def test_what_is_no_report_is_refused_with_a_way_out(tmp_path, content, message):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UsageError) as caught:
        read_report(path)

    assert message == caught.value.message
    assert path == caught.value.facts["path"]
    assert caught.value.hint


def test_the_published_schema_is_the_structs():
    how = (
        "write it anew: python -c 'import sys; from hydrotest_core.run.report_json import schema_text;"
        " sys.stdout.buffer.write(schema_text())' > docs/formats/report.schema.json"
    )

    assert COMMITTED.read_bytes() == schema_text(), how


@pytest.mark.parametrize("name", ["failing_report", "passing_report", "hostile_report"])
def test_reports_keep_the_published_schema(name, request, tmp_path):
    write_report(request.getfixturevalue(name), tmp_path / "report.json")
    data = msgspec.json.decode((tmp_path / "report.json").read_bytes())

    validator = jsonschema_rs.validator_for(msgspec.json.decode(COMMITTED.read_bytes()))

    assert [error.message for error in validator.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("kind",), 7, id="a number for a text"),
        pytest.param(("verdicts", 1, "outcome"), "great", id="an unknown outcome in the second"),
        pytest.param(("executions", 1, "exit_code"), "0", id="a text for a number in the second"),
    ],
)
def test_the_schema_refuses_what_is_no_report(failing_report, path, value):
    data = msgspec.to_builtins(failing_report)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert not jsonschema_rs.validator_for(schema()).is_valid(data)


def test_every_property_of_a_report_is_described():
    components = schema()["$defs"]

    for name in ("RunReport", "ExecutionSummary", "Finding", "Verdict", "Rule", "Example", "Where"):
        undescribed = [
            key
            for key, value in components[name]["properties"].items()
            if "description" not in value
        ]
        assert undescribed in ([], ["format_version"], ["rule"]), name
