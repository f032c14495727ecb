"""Brings a file of any age into today's form, with the places of what it says.

Nothing here decides what is right: what can't be brought over is left as it is, for the
reading to complain about.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hydrotest_core.settings import Document, Mark

if TYPE_CHECKING:
    from hydrotest_core.settings import Mistake

__all__ = ["DEPRECATED", "modernised"]

_SECTION_KEYS: Final = ("tests", "bypass_reason")

DEPRECATED: Final = {
    "acceptance_tests.incremental.tests[].cursor_paths": (
        "cursor_paths is no longer needed and is ignored: the catalog names each stream's cursor"
    ),
    "acceptance_tests.incremental.tests[].threshold_days": (
        "threshold_days is no longer needed and is ignored"
    ),
    "acceptance_tests.basic_read.tests[].validate_output_from_all_streams": (
        "validate_output_from_all_streams is ignored: streams without data go to empty_streams"
    ),
    "acceptance_tests.connection.tests[].invalid_config_path": (
        "invalid_config_path is ignored: give an entry of its own, with status: failed"
    ),
}
"""Keys that CAT once knew and that do nothing now."""


def modernised(document: Document) -> tuple[Document, list[Mistake]]:
    """Return the document in today's form, and a warning for each thing that is out of date."""
    if not isinstance(document.value, dict):
        return document, []
    editor = _Editor(document)
    editor.rename_root_keys()
    editor.bring_tests_over()
    editor.mend_sections()
    return Document(file=document.file, value=editor.value, marks=editor.marks), editor.warnings


class _Editor:
    """A copy of a document that keys can be moved in, marks with them."""

    def __init__(self, document: Document) -> None:
        self.warnings: list[Mistake] = []
        self._file = document.file
        self.value: Any = _copy(document.value)
        self.marks = _copy_marks(document.marks)

    def rename_root_keys(self) -> None:
        """Take `cache_discovered_catalog`, the name before the docs' one."""
        old, new = "cache_discovered_catalog", "cached_discovered_catalog"
        if old in self.value and new not in self.value:
            self._warn([old], f"{old} is called {new} now")
            root = _Mapping(self.value, self.marks)
            root.give(old, root, new)

    def bring_tests_over(self) -> None:
        """Turn the first form, `tests: {spec: [...]}`, into today's."""
        tests = self.value.get("tests")
        if "acceptance_tests" in self.value or not isinstance(tests, dict):
            return
        self._warn(
            ["tests"],
            "tests: is the first form of this file; it is read as acceptance_tests:",
            "write acceptance_tests: <section>: tests: [...]",
        )
        root = _Mapping(self.value, self.marks)
        root.give("tests", root, "acceptance_tests")
        marks = self.marks.parts["acceptance_tests"]
        for name, entries in tests.items():
            if isinstance(entries, list):
                _wrap(tests, marks, name, "tests")
                for index, entry in enumerate(entries):
                    if isinstance(entry, dict):
                        at = marks.at([name, "tests", index])
                        _name_streams(entry, at)

    def mend_sections(self) -> None:
        """Take out what today's frame of a section never looked at, and old entries' keys."""
        sections = self.value.get("acceptance_tests")
        if not isinstance(sections, dict):
            return
        for name, section in sections.items():
            if not isinstance(section, dict) or name == "client_container_config":
                continue
            path: list[str | int] = ["acceptance_tests", name]
            marks = self.marks.at(path)
            self._drop_unknown_frame_keys(name, section)
            entries = section.get("tests")
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                if name == "incremental" and isinstance(entry, dict):
                    self._rename_state_path(entry, [*path, "tests", index])
                    _gather_future_state(entry, marks.at(["tests", index]))

    def _rename_state_path(self, entry: dict[str, Any], path: list[str | int]) -> None:
        old, new = "state_path", "future_state_path"
        if old in entry and new not in entry:
            self._warn([*path, old], f"{old} is called {new} now")
            mapping = _Mapping(entry, self.marks.at(path))
            mapping.give(old, mapping, new)

    def _drop_unknown_frame_keys(self, name: str, section: dict[str, Any]) -> None:
        for key in [key for key in section if key not in _SECTION_KEYS]:
            # A slip of the pen in `tests` must not make a section vanish.
            if difflib.get_close_matches(key, _SECTION_KEYS, n=1):
                continue
            self._warn(
                ["acceptance_tests", name, key],
                f"{key} is ignored: beside tests and bypass_reason a section has no keys",
                "put it into an entry under tests, if it belongs there",
            )
            del section[key]

    def _warn(self, path: list[str | int], message: str, hint: str = "") -> None:
        here = Document(file=self._file, value=self.value, marks=self.marks)
        self.warnings.append(here.mistake(path, message, hint, at_key=True))


def _name_streams(entry: dict[str, Any], marks: Mark) -> None:
    """Turn plain names into `{name: …}`, as the first form wrote them."""
    if isinstance(entry.get("empty_streams"), list):
        _wrap_names(entry["empty_streams"], marks.at(["empty_streams"]))
    ignored = entry.get("ignored_fields")
    if isinstance(ignored, dict):
        for stream, fields in ignored.items():
            if isinstance(fields, list):
                _wrap_names(fields, marks.at(["ignored_fields", stream]))


def _wrap_names(names: list[Any], marks: Mark) -> None:
    for index, name in enumerate(names):
        if isinstance(name, str):
            _wrap(names, marks, index, "name")


def _gather_future_state(entry: dict[str, Any], marks: Mark) -> None:
    """Move `future_state_path` and `bypass_reason` of an entry under its `future_state`."""
    moved = [key for key in ("future_state_path", "bypass_reason") if key in entry]
    if not moved or "future_state" in entry:
        return
    line, column = marks.keys.get(moved[0], (marks.line, marks.column))
    target = _Mapping({}, Mark(line, column))
    for key in moved:
        _Mapping(entry, marks).give(key, target, key)
    entry["future_state"] = target.value
    marks.keys["future_state"] = (line, column)
    marks.parts["future_state"] = target.marks


@dataclass(frozen=True, slots=True)
class _Mapping:
    """A mapping and its marks."""

    value: dict[str, Any]
    marks: Mark

    def give(self, old: str, target: _Mapping, new: str) -> None:
        """Move the value at `old` to `new` of the target."""
        target.value[new] = self.value.pop(old)
        target.marks.keys[new] = self.marks.keys.pop(old)
        target.marks.parts[new] = self.marks.parts.pop(old)


def _wrap(holder: Any, marks: Mark, at: Any, key: str) -> None:
    """Put the value at `holder[at]` under a key of its own."""
    mark = marks.parts[at]
    holder[at] = {key: holder[at]}
    place = (mark.line, mark.column)
    marks.parts[at] = Mark(mark.line, mark.column, keys={key: place}, parts={key: mark})


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(child) for child in value] if isinstance(value, list) else value


def _copy_marks(mark: Mark) -> Mark:
    return Mark(
        mark.line,
        mark.column,
        mark.text,
        keys=dict(mark.keys),
        parts={key: _copy_marks(part) for key, part in mark.parts.items()},
    )
