from __future__ import annotations

import pytest

from hydrotest_acceptance.config.frame_mistakes import frame_mistakes
from hydrotest_core.settings import load_yaml


@pytest.fixture
def found(tmp_path):
    def found(text):
        file = tmp_path / "a.yml"
        file.write_text(text)
        return [(one.line, one.path) for one in frame_mistakes(load_yaml(file))]

    return found


def test_a_frame_in_order_has_no_mistakes(found):
    assert not found(
        "connector_image: host:5000/airbyte/source-x:dev\n"
        "acceptance_tests:\n  spec: {tests: [{}]}\n  connection: {tests: []}\n"
        "  discovery: {bypass_reason: why}\n  basic_read:\n"
        "  client_container_config: {secrets_path: a}\n"
    )


@pytest.mark.parametrize("image", ["A B", "'source-x:'", "'a:b:c'", "''"])
def test_a_text_that_names_no_image_is_a_mistake(found, image):
    assert found(f"connector_image: {image}\n") == [(1, "connector_image")]


def test_tests_and_a_reason_in_the_second_section_are_a_mistake(found):
    assert found(
        "acceptance_tests:\n  spec: {tests: [{}]}\n"
        "  connection:\n    tests: [{}]\n    bypass_reason: why\n"
    ) == [(5, "acceptance_tests.connection.bypass_reason")]


@pytest.mark.parametrize("section", ["{}", "{tests: }", "{bypass_reason: ''}"])
def test_a_section_without_tests_and_reason_is_a_mistake(found, section):
    assert found(f"acceptance_tests:\n  spec: {section}\n") == [(2, "acceptance_tests.spec")]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "connector_image: 1\n", "acceptance_tests: []\n", "acceptance_tests: {a: 1}\n"],
)
def test_what_has_no_frame_is_left_to_others(found, text):
    assert not found(text)
