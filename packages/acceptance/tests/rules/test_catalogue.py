from __future__ import annotations

import re

import pytest

from hydrotest_acceptance.rules import catalogue
from hydrotest_acceptance.rules.catalogue import READ_RULES, explain
from hydrotest_core.run.findings import Rule


def test_every_rule_of_the_module_is_in_the_catalogue():
    rules = [value for value in vars(catalogue).values() if isinstance(value, Rule)]

    assert {rule.code for rule in rules} == set(READ_RULES)
    assert len(rules) == len(READ_RULES)


@pytest.mark.parametrize("code", READ_RULES)
def test_a_rule_says_what_why_and_from_where(code):
    rule = READ_RULES[code]

    assert re.fullmatch(r"HT-READ-\d{3}", code)
    assert rule.title[0].islower()
    assert not rule.title.endswith(".")
    assert rule.why.endswith(".")
    assert rule.source


@pytest.mark.parametrize("code", READ_RULES)
def test_a_rule_can_be_explained(code):
    rule = READ_RULES[code]

    text = explain(rule)
    assert text.startswith(f"{code}  {rule.title}")
    assert rule.why in text
    assert rule.source in text
