from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hydrotest_acceptance.config import load_config
from hydrotest_acceptance.parametrize import (
    MANDATORY_IN_HIGH,
    MissingSection,
    keep_one_per_missing_section,
    longest_first,
    parameters,
    section_named,
    section_of,
)
from hydrotest_acceptance.suites import test_basic_read, test_connection, test_spec

TWO = """\
  spec:
    tests:
      - config_path: a.json
      - config_path: b.json
"""


@pytest.fixture
def config(tmp_path):
    """Return a function that reads settings with these sections."""

    def make(sections, *, strictness="low"):
        text = f"connector_image: airbyte/x:dev\ntest_strictness_level: {strictness}\n"
        text += f"acceptance_tests:\n{sections}"
        (tmp_path / "acceptance-test-config.yml").write_text(text)
        return load_config(tmp_path)

    return make


def given(config, section: str) -> list[Any]:
    return list(parameters(config, section))


def why_skipped(parameter):
    (mark,) = parameter.marks
    return mark.kwargs["reason"]


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("TestSpec", "spec"),
        ("TestBasicRead", "basic_read"),
        ("TestFullRefresh", "full_refresh"),
        ("TestConnectorDocumentation", "connector_documentation"),
        ("", ""),
    ],
)
def test_a_suites_name_gives_its_section(name, section):
    assert section_named(name) == section


def test_a_suites_class_gives_its_section():
    assert section_of(test_basic_read.TestBasicRead) == "basic_read"


@pytest.mark.parametrize("strictness", ["low", "high"])
def test_each_entry_is_a_parameter(config, strictness):
    found = given(config(TWO, strictness=strictness), "spec")

    assert [one.id for one in found] == ["inputs0", "inputs1"]
    assert [one.values[0].config_path for one in found] == ["a.json", "b.json"]
    assert [one.marks for one in found] == [(), ()]


@pytest.mark.parametrize("strictness", ["low", "high"])
def test_a_bypass_says_why(config, strictness):
    text = "  spec:\n    bypass_reason: it has none\n"

    (one,) = given(config(text, strictness=strictness), "spec")

    assert why_skipped(one) == "bypassed: it has none"
    assert one.values == (None,)


def test_a_section_that_is_not_there_is_skipped_in_low(config):
    (one,) = given(config(TWO), "incremental")

    assert why_skipped(one) == "incremental is not in acceptance-test-config.yml"


@pytest.mark.parametrize("section", sorted(MANDATORY_IN_HIGH))
def test_a_section_that_must_be_there_is_missing_in_high(config, section):
    text = "  connector_attributes:\n    bypass_reason: none of it\n"

    (one,) = given(config(text, strictness="high"), section)

    assert one.values == (MissingSection(section),)
    assert one.id == "missing"
    assert one.marks == ()


@pytest.mark.parametrize("section", ["connector_attributes", "connector_documentation"])
def test_a_section_that_need_not_be_there_is_skipped_in_high_too(config, section):
    (one,) = given(config(TWO, strictness="high"), section)

    assert why_skipped(one) == f"{section} is not in acceptance-test-config.yml"


def test_an_empty_list_is_skipped_in_low(config):
    (one,) = given(config("  spec:\n    tests: []\n"), "spec")

    assert why_skipped(one) == "spec has an empty list of tests"


def test_an_empty_list_is_missing_in_high(config):
    (one,) = given(config("  spec:\n    tests: []\n", strictness="high"), "spec")

    assert one.values == (MissingSection("spec"),)


def test_an_empty_list_with_a_reason_is_bypassed_in_high(config):
    text = "  spec:\n    tests: []\n    bypass_reason: none of it\n"

    (one,) = given(config(text, strictness="high"), "spec")

    assert why_skipped(one) == "bypassed: none of it"


class TestKeeping:
    @pytest.fixture
    def items(self):
        """Return a function that makes an item of each (class, function, inputs)."""

        def make(*rows):
            return [self.item(*row) for row in rows]

        return make

    @staticmethod
    def item(suite, name, *inputs):
        item = SimpleNamespace(name=name, cls=suite)
        if inputs:
            item.callspec = SimpleNamespace(params={"inputs": inputs[0]})
        return item

    def names(self, items):
        return [item.name for item in items]

    SPEC, CONNECTION = test_spec.TestSpec, test_connection.TestConnection

    @pytest.mark.parametrize(
        "inputs", [None, MissingSection("spec")], ids=["not configured", "missing"]
    )
    def test_one_test_of_a_suite_without_inputs_is_kept(self, items, inputs):
        found = items(
            (self.SPEC, "test_a", inputs),
            (self.SPEC, "test_b", inputs),
            (self.CONNECTION, "test_c", inputs),
            (self.CONNECTION, "test_d", inputs),
            (self.SPEC, "test_e", inputs),
        )

        surplus = keep_one_per_missing_section(found)

        assert self.names(found) == ["test_a", "test_c"]
        assert self.names(surplus) == ["test_b", "test_d", "test_e"]

    def test_tests_with_inputs_are_all_kept(self, items):
        entry = object()
        found = items((self.SPEC, "test_a", entry), (self.SPEC, "test_b", entry))

        assert keep_one_per_missing_section(found) == []
        assert self.names(found) == ["test_a", "test_b"]

    def test_a_suite_without_inputs_takes_nothing_from_one_that_has_some(self, items):
        found = items(
            (self.SPEC, "test_a", None),
            (self.CONNECTION, "test_b", object()),
            (self.SPEC, "test_c", None),
            (self.CONNECTION, "test_d", object()),
        )

        keep_one_per_missing_section(found)

        assert self.names(found) == ["test_a", "test_b", "test_d"]

    def test_tests_that_have_no_parameters_are_all_kept(self, items):
        found = items((self.SPEC, "test_a"), (self.SPEC, "test_b"))

        assert keep_one_per_missing_section(found) == []

    def test_functions_without_a_class_are_all_kept(self, items):
        found = items((None, "test_a", None), (None, "test_b", None))

        assert keep_one_per_missing_section(found) == []
        assert self.names(found) == ["test_a", "test_b"]

    def test_parameters_without_inputs_are_all_kept(self, items):
        found = items((self.SPEC, "test_a", None), (self.SPEC, "test_b", None))
        for item in found:
            item.callspec.params = {"keyword": None}

        assert keep_one_per_missing_section(found) == []

    def test_nothing_is_nothing(self):
        assert keep_one_per_missing_section([]) == []


class TestOrderForWorkers:
    def test_the_last_suites_come_first_each_in_its_own_order(self):
        found: list[Any] = [
            SimpleNamespace(name=name, cls=cls)
            for name, cls in [
                ("a", test_spec.TestSpec),
                ("b", test_connection.TestConnection),
                ("c", test_basic_read.TestBasicRead),
                ("d", test_basic_read.TestBasicRead),
            ]
        ]

        assert [item.name for item in longest_first(found)] == ["c", "d", "b", "a"]

    def test_what_is_of_no_suite_stays_at_the_end(self):
        found: list[Any] = [
            SimpleNamespace(name="a", cls=None),
            SimpleNamespace(name="b", cls=object),
            SimpleNamespace(name="c", cls=test_connection.TestConnection),
        ]

        assert [item.name for item in longest_first(found)] == ["c", "a", "b"]
