"""Mistakes in the frame of the file: found whatever else is wrong in it.

What a struct refuses is only heard of once everything inside it is right, and the frame is
around everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydrotest_core.connector.references import ImageRef
from hydrotest_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hydrotest_core.settings import Document, Mistake

__all__ = ["frame_mistakes"]


def frame_mistakes(document: Document) -> Iterator[Mistake]:
    """Yield what is wrong with the image's name and with the frame of each section.

    What isn't of the right type is passed over: the reading complains about it.
    """
    if not isinstance(document.value, dict):
        return
    image = document.value.get("connector_image")
    if isinstance(image, str):
        try:
            ImageRef.parse(image)
        except UsageError as exc:
            yield document.mistake(["connector_image"], f"{image!r} names no image", exc.hint)
    sections = document.value.get("acceptance_tests")
    if isinstance(sections, dict):
        yield from _section_mistakes(document, sections)


def _section_mistakes(document: Document, sections: dict[str, object]) -> Iterator[Mistake]:
    for name, section in sections.items():
        if not isinstance(section, dict) or name == "client_container_config":
            continue
        path = ["acceptance_tests", name]
        tests, reason = section.get("tests"), section.get("bypass_reason")
        if tests and reason:
            yield document.mistake(
                [*path, "bypass_reason"],
                "tests and a bypass_reason in one section",
                "take the bypass_reason out, or the tests",
                at_key=True,
            )
        elif tests is None and not reason:
            yield document.mistake(
                path,
                "a section without tests and without a bypass_reason",
                "give it tests, or a bypass_reason that says why there are none",
                at_key=True,
            )
