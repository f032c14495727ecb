"""Reading the files a person writes: every mistake at once, with its place and a way out.

`load_yaml` and `load_json` read a file, `read_settings` turns a document into a
msgspec struct, `schema_of` gives an editor the same rules as a JSON Schema.
"""

from __future__ import annotations

from hydrotest_core.settings.document import Document, Mark, Mistake
from hydrotest_core.settings.json_file import load_json
from hydrotest_core.settings.reading import read_settings, schema_of
from hydrotest_core.settings.yaml_file import load_yaml

__all__ = [
    "Document",
    "Mark",
    "Mistake",
    "load_json",
    "load_yaml",
    "read_settings",
    "schema_of",
]
