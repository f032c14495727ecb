"""From a YAML parser's events to values with marks, within fixed limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from hydrotest_core.settings.document import Document, Mark, Mistake, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydrotest_core.settings.document import PathPart

__all__ = ["MAX_DEPTH", "MAX_NODES", "NodeReader"]

MAX_NODES = 100_000
MAX_DEPTH = 64

# A bomb's path is as long as the bomb is deep.
_SHOWN_LEVELS = 12

_TAG = "tag:yaml.org,2002:"
_KINDS = {
    _TAG + "null": "nothing",
    _TAG + "bool": "true or false",
    _TAG + "int": "a whole number",
    _TAG + "float": "a number",
    _TAG + "timestamp": "a date",
}
_MERGE_TAG = _TAG + "merge"
_TEXT_TAGS = frozenset((_TAG + "str", _TAG + "value", _MERGE_TAG))
_NO_TAGS = frozenset((None, "!"))


class _Stopped(Exception):
    """The reading can't go on; the reason is the last mistake."""


class _Node:
    """A value, its mark, and how much it comes to with its aliases counted out."""

    __slots__ = ("height", "mark", "size", "value")

    def __init__(self, value: Any, mark: Mark) -> None:
        self.value = value
        self.mark = mark
        self.size = 1
        self.height = 1

    def grow(self, child: _Node) -> None:
        """Count `child` as a part."""
        self.size += child.size
        self.height = max(self.height, child.height + 1)

    def merge(self, other: _Node) -> None:
        """Take the keys of `other` that aren't there."""
        for key, value in other.value.items():
            if key not in self.value:
                self.value[key] = value
                self.mark.parts[key] = other.mark.parts[key]
                self.mark.keys[key] = other.mark.keys[key]


class NodeReader:
    """Builds one document from the events of `yaml.parse`.

    Attributes:
        mistakes: What was wrong; the document is worth nothing where there are any.
    """

    def __init__(self, file: str) -> None:
        self.mistakes: list[Mistake] = []
        self._file = file
        # Values without an anchor go under `None`, which no alias asks for.
        self._anchors: dict[str | None, _Node] = {}
        self._open_anchors: set[str | None] = set()
        self._node_count = 0
        self._path: list[PathPart] = []
        self._scalars: Any = yaml.SafeLoader("")
        self._events: Iterator[Any] = iter(())

    def document(self, events: Iterator[Any]) -> Document | None:
        """Return the document; `None` when a mistake stopped the reading.

        Raises:
            yaml.YAMLError: When the parser finds broken syntax.
        """
        self._events = events
        root: _Node | None = None
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    if root is not None:
                        self._stop(event, "a second document", "keep one document in the file")
                    root = self._node(next(events), depth=1)
        except _Stopped:
            return None
        root = root or _Node(None, Mark(1, 1))
        return Document(file=self._file, value=root.value, marks=root.mark)

    def _node(self, event: Any, depth: int) -> _Node:
        """Build the value that starts with `event`; `depth` is its level, from 1."""
        if isinstance(event, yaml.AliasEvent):
            node = self._aliased(event)
            # Whoever walks the result meets an aliased value each time.
            self._count(event, node.size)
            self._check_depth(event, depth + node.height - 1)
            return node
        self._count(event, 1)
        self._check_depth(event, depth)
        self._open_anchors.add(event.anchor)
        node = self._built(event, depth)
        self._open_anchors.discard(event.anchor)
        self._anchors[event.anchor] = node
        return node

    def _count(self, event: Any, size: int) -> None:
        self._node_count += size
        if self._node_count > MAX_NODES:
            hint = "an alias counts as all it stands for, each time; use less of them"
            self._stop(event, f"more than {MAX_NODES} values", hint)

    def _check_depth(self, event: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._stop(event, f"more than {MAX_DEPTH} levels", "check that it is the right file")

    def _built(self, event: Any, depth: int) -> _Node:
        if isinstance(event, yaml.ScalarEvent):
            return _Node(self._scalar(event), _mark(event, event.value))
        if isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, "seq")
            return self._sequence(event, depth)
        self._check_tag(event, "map")
        return self._mapping(event, depth)

    def _aliased(self, event: Any) -> _Node:
        if event.anchor in self._open_anchors:
            self._stop(event, f"alias '*{event.anchor}' stands inside what it stands for")
        if event.anchor not in self._anchors:
            hint = f"set it before with '&{event.anchor}', or put the text in quotes"
            self._stop(event, f"alias '*{event.anchor}' stands for nothing", hint)
        return self._anchors[event.anchor]

    def _tag_of(self, event: Any) -> str:
        if event.tag in _NO_TAGS:
            return str(self._scalars.resolve(yaml.ScalarNode, event.value, event.implicit))
        return str(event.tag)

    def _scalar(self, event: Any) -> Any:
        tag = self._tag_of(event)
        if tag in _TEXT_TAGS:
            return event.value
        if tag not in _KINDS:
            self._refuse_tag(event)
            return None
        try:
            return self._scalars.construct_object(yaml.ScalarNode(tag, event.value))
        except (ValueError, LookupError, AttributeError, OverflowError):
            # What PyYAML's constructors trip over when a tag or a pattern promised too much.
            self._add(event, f"looks like {_KINDS[tag]} but isn't one", "put it in quotes")
            return None

    def _sequence(self, start: Any, depth: int) -> _Node:
        node = _Node([], _mark(start))
        for index, event in enumerate(self._until(yaml.SequenceEndEvent)):
            self._path.append(index)
            child = self._node(event, depth + 1)
            node.value.append(child.value)
            node.mark.parts[index] = child.mark
            node.grow(child)
            self._path.pop()
        return node

    def _mapping(self, start: Any, depth: int) -> _Node:
        node = _Node({}, _mark(start))
        merged: list[_Node] = []
        for event in self._until(yaml.MappingEndEvent):
            key, is_merge = self._key(event)
            self._path.append(key)
            value_event = next(self._events)
            child = self._node(value_event, depth + 1)
            node.grow(child)
            if is_merge:
                merged += self._merged(value_event, child)
            elif key in node.value:
                first = node.mark.keys[key][0]
                self._add(
                    event, f"key {key!r} stands twice", f"remove one; line {first} has it too"
                )
            else:
                node.value[key] = child.value
                node.mark.parts[key] = child.mark
                node.mark.keys[key] = _position(event)
            self._path.pop()
        for other in merged:
            node.merge(other)
        return node

    def _until(self, end: type) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _key(self, event: Any) -> tuple[str, bool]:
        """Return a key's text, and whether it is the `<<` that merges."""
        self._count(event, 1)
        if isinstance(event, yaml.AliasEvent):
            text = self._aliased(event).mark.text
            if text is not None:
                return text, False
        if not isinstance(event, yaml.ScalarEvent):
            hint = "a key is plain text; put one that starts with {, [ or * in quotes"
            self._stop(event, "a key that is no text", hint)
        if event.tag not in {*_NO_TAGS, _TAG + "str"}:
            self._refuse_tag(event)
        self._anchors[event.anchor] = _Node(event.value, _mark(event, event.value))
        return event.value, self._tag_of(event) == _MERGE_TAG

    def _merged(self, event: Any, child: _Node) -> list[_Node]:
        """Return the mappings that a `<<` brings in, the strongest first."""
        parts = [child]
        if isinstance(child.value, list):
            marks = child.mark.parts
            parts = [_Node(value, marks[index]) for index, value in enumerate(child.value)]
        if all(isinstance(part.value, dict) for part in parts):
            return parts
        self._add(event, "'<<' takes a mapping or a list of mappings", "write '<<: *name'")
        return []

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in {*_NO_TAGS, _TAG + kind}:
            self._refuse_tag(event)

    def _refuse_tag(self, event: Any) -> None:
        tag = str(event.tag).replace(_TAG, "!!")
        self._add(event, f"tag {tag!r} isn't allowed", "remove the tag; write a plain value")

    def _add(self, event: Any, message: str, hint: str = "") -> None:
        line, column = _position(event)
        path = dotted(self._path[:_SHOWN_LEVELS])
        self.mistakes.append(
            Mistake(
                file=self._file, line=line, column=column, path=path, message=message, hint=hint
            )
        )

    def _stop(self, event: Any, message: str, hint: str = "") -> NoReturn:
        self._add(event, message, hint)
        raise _Stopped


def _position(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _mark(event: Any, text: str | None = None) -> Mark:
    return Mark(*_position(event), text)
