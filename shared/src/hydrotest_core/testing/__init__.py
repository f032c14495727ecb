"""What our own tests and our users' tests share.

`scripted` plays a connector from a list of lines, `builders` makes those lines, and
`contract`, which needs pytest, is the test that every runner must pass.
"""

from __future__ import annotations

from hydrotest_core.testing.builders import (
    a_catalog,
    a_configured_catalog,
    a_connection_status,
    a_legacy_state,
    a_log,
    a_record,
    a_spec,
    a_state,
    a_stream,
    a_stream_status,
    a_trace_error,
    as_line,
)
from hydrotest_core.testing.scripted import Script, ScriptedRunner

__all__ = [
    # a connector that plays a script
    "Script",
    "ScriptedRunner",
    # messages
    "a_catalog",
    "a_configured_catalog",
    "a_connection_status",
    "a_legacy_state",
    "a_log",
    "a_record",
    "a_spec",
    "a_state",
    "a_stream",
    "a_stream_status",
    "a_trace_error",
    "as_line",
]
