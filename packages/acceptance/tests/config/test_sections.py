from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import yaml

from hydrotest_acceptance.config import AcceptanceTestConfigFile
from hydrotest_core.settings import schema_of

SCHEMA = Path(__file__).parents[4] / "docs/formats/acceptance-test-config.schema.json"

HOW_TO_WRITE_IT = (
    "the committed schema is out of date; write it anew with python -c "
    '"import json; from hydrotest_core.settings import schema_of; '
    "from hydrotest_acceptance.config import AcceptanceTestConfigFile as F; "
    'print(json.dumps(schema_of(F), indent=2))" > docs/formats/acceptance-test-config.schema.json'
)


def test_the_schema_for_editors_is_the_one_the_file_is_read_by():
    assert json.loads(SCHEMA.read_text()) == schema_of(AcceptanceTestConfigFile), HOW_TO_WRITE_IT


def test_an_editor_accepts_a_good_file_and_refuses_a_bad_one():
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()))
    good = yaml.safe_load(
        "connector_image: airbyte/source-x:dev\n"
        "acceptance_tests: {spec: {tests: [{spec_path: a.json}]}}\n"
    )

    assert validator.is_valid(good)
    good["acceptance_tests"]["spec"]["tests"][0]["sepc_path"] = "a"
    assert not validator.is_valid(good)
