"""The rules about what `read` says, each with the reason it exists.

Codes are stable over releases: a retired code is never given to another rule.
"""

from __future__ import annotations

from typing import Final

from hydrotest_core.run.findings import Rule

__all__ = [
    "DATA_POINTS",
    "DECLARED_STREAMS",
    "EXPECTED_FILE",
    "EXPECTED_ORDER",
    "EXPECTED_RECORDS",
    "EXTRA_COLUMNS",
    "NO_EMPTY_STREAMS",
    "NO_OTHER_RECORDS",
    "PRIMARY_KEY",
    "PRIMARY_KEY_UNIQUE",
    "READABLE_RECORDS",
    "READ_RULES",
    "RECORD_SCHEMA",
    "STATE_COUNTS",
    "STATE_MESSAGES",
    "STREAM_STATUSES",
    "STRUCTURE_OVERLAP",
    "USABLE_SCHEMA",
    "explain",
]

READABLE_RECORDS: Final = Rule(
    code="HT-READ-001",
    title="a record's data is a JSON object",
    why="A destination makes a row of it; what isn't an object of readable values is lost.",
    source="Airbyte protocol, AirbyteRecordMessage.data",
)
DECLARED_STREAMS: Final = Rule(
    code="HT-READ-002",
    title="records belong to streams of the configured catalog",
    why="The platform knows no table for a stream nobody asked for, and fails or drops it.",
    source="Airbyte protocol, read: only what the configured catalog selects is read",
)
NO_EMPTY_STREAMS: Final = Rule(
    code="HT-READ-003",
    title="every stream has records, unless empty_streams names it",
    why="A stream without data is a stream nobody has tested.",
    source="Airbyte acceptance tests reference, Test Basic Read: empty_streams",
)
USABLE_SCHEMA: Final = Rule(
    code="HT-READ-011",
    title="a stream's JSON schema can be used to judge its records",
    why="Destinations derive column types from it; a broken schema gives broken tables.",
    source="JSON Schema draft 7, meta-schema; CAT test_streams_have_valid_json_schemas",
)
RECORD_SCHEMA: Final = Rule(
    code="HT-READ-012",
    title="values keep the types and formats their stream's schema declares",
    why="A destination that made a column of the declared type can't store another value: "
    "it is nulled, or the sync fails.",
    source="Airbyte acceptance tests reference, Test Basic Read: validate_schema",
)
EXTRA_COLUMNS: Final = Rule(
    code="HT-READ-013",
    title="records have no columns but those their stream's schema declares",
    why="Undeclared columns never reach the destination's table, and nobody is told.",
    source="Airbyte acceptance tests reference, Test Basic Read: fail_on_extra_columns",
)
STRUCTURE_OVERLAP: Final = Rule(
    code="HT-READ-014",
    title="every record has at least one field of its stream's schema",
    why="A record without any declared field is of another stream, or wrapped once too often.",
    source="CAT TestBasicRead, structure check of validate_schema",
)
DATA_POINTS: Final = Rule(
    code="HT-READ-015",
    title="every declared field occurs with a value in at least one record",
    why="A field that never comes is misspelt, gone from the API, or untested.",
    source="Airbyte acceptance tests reference, Test Basic Read: validate_data_points",
)
PRIMARY_KEY: Final = Rule(
    code="HT-READ-020",
    title="records have a primary key of scalar values that aren't all null",
    why="Destinations find a row again by its key; without one, rows pile up or overwrite.",
    source="CAT TestBasicRead, validate_primary_keys_data_type",
)
PRIMARY_KEY_UNIQUE: Final = Rule(
    code="HT-READ-021",
    title="a primary key names one record of a read",
    why="Of two records with one key a deduplicating destination keeps only one.",
    source="house rule",
)
EXPECTED_RECORDS: Final = Rule(
    code="HT-READ-030",
    title="the expected records are produced as they were written down",
    why="They are the known truth of the test account; what differs is lost or changed data.",
    source="Airbyte acceptance tests reference, Test Basic Read: expect_records",
)
NO_OTHER_RECORDS: Final = Rule(
    code="HT-READ-031",
    title="no records but the expected ones are produced",
    why="Asked for by extra_records: false: the account holds just what was written down.",
    source="Airbyte acceptance tests reference, Test Basic Read: expect_records.extra_records",
)
EXPECTED_ORDER: Final = Rule(
    code="HT-READ-032",
    title="the expected records are produced in the order they were written down",
    why="Asked for by exact_order: true: something downstream relies on the order.",
    source="Airbyte acceptance tests reference, Test Basic Read: expect_records.exact_order",
)
EXPECTED_FILE: Final = Rule(
    code="HT-READ-033",
    title="the file of expected records speaks of the streams that are read",
    why="Expectations for a stream that isn't read are never checked.",
    source="Airbyte acceptance tests reference, strictness level high: expect_records",
)
STREAM_STATUSES: Final = Rule(
    code="HT-READ-040",
    title="every stream says STARTED, then RUNNING, then COMPLETE",
    why="The platform shows a stream's progress and success from these; a stream that never "
    "says COMPLETE counts as failed.",
    source="Airbyte protocol, AirbyteStreamStatusTraceMessage; CAT validate_stream_statuses",
)
STATE_MESSAGES: Final = Rule(
    code="HT-READ-041",
    title="every stream has a state message with record counts, and none is of the legacy type",
    why="Without a state the next sync starts from the beginning.",
    source="Airbyte protocol, AirbyteStateMessage; CAT validate_state_messages",
)
STATE_COUNTS: Final = Rule(
    code="HT-READ-042",
    title="the record counts of the state messages add up to the records that came",
    why="The platform compares them with what it saw to find lost records.",
    source="Airbyte protocol, AirbyteStateStats.recordCount",
)

READ_RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        READABLE_RECORDS,
        DECLARED_STREAMS,
        NO_EMPTY_STREAMS,
        USABLE_SCHEMA,
        RECORD_SCHEMA,
        EXTRA_COLUMNS,
        STRUCTURE_OVERLAP,
        DATA_POINTS,
        PRIMARY_KEY,
        PRIMARY_KEY_UNIQUE,
        EXPECTED_RECORDS,
        NO_OTHER_RECORDS,
        EXPECTED_ORDER,
        EXPECTED_FILE,
        STREAM_STATUSES,
        STATE_MESSAGES,
        STATE_COUNTS,
    )
}
"""Every rule about `read`, by its code."""


def explain(rule: Rule) -> str:
    """Return what a rule asks for, why, and where it comes from, as text for a terminal."""
    return f"{rule.code}  {rule.title}\n\n{rule.why}\n\nSource: {rule.source}"
