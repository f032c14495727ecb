"""Everything hydrotest raises on purpose, sorted by who must act.

```
HydrotestError
├── UsageError               the person at the keyboard: flags, files, settings
│   ├── SettingsError        one or more mistakes in a settings file, all at once
│   └── ConnectorFolderError a connector folder that can't be understood
├── ConnectorError           the connector under test
│   ├── ProtocolViolation    it said something the Airbyte protocol doesn't allow
│   ├── ConnectorExited      it ended before it said what was asked of it
│   └── ConnectorTimedOut    it was stopped because its time was up
└── InfrastructureError      the machine: engine, disk, package index
    ├── EngineUnavailable    no Docker engine answers
    ├── ImageUnavailable     an image isn't there, or can't be started
    └── BuildFailed          an image or an environment couldn't be made
```

A finding is not an error: a connector that breaks a rule yields values
(`hydrotest_core.run.findings`); these classes are for work that can't go on.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BuildFailed",
    "ConnectorError",
    "ConnectorExited",
    "ConnectorFolderError",
    "ConnectorTimedOut",
    "EngineUnavailable",
    "HydrotestError",
    "ImageUnavailable",
    "InfrastructureError",
    "ProtocolViolation",
    "SettingsError",
    "UsageError",
]


class HydrotestError(Exception):
    """A fixed first sentence, then facts as `key=value`, then the way out.

    Args:
        message: One sentence that is the same each time this happens.
        hint: What to do next, in words a newcomer understands.
        facts: What differs from case to case; never a secret.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        facts = " ".join(f"{key}={value}" for key, value in self.facts.items())
        text = f"{self.message} ({facts})" if facts else self.message
        return f"{text} hint: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments are lost by the default pickling, and xdist and
        # process pools send exceptions between processes.
        return (_rebuild, (type(self), self.message, self.hint, self.facts))


def _rebuild(
    kind: type[HydrotestError], message: str, hint: str, facts: dict[str, Any]
) -> HydrotestError:
    return kind(message, hint=hint, **facts)


class UsageError(HydrotestError):
    """What was asked can't be done as asked; the person can mend it."""

    exit_code = 2


class SettingsError(UsageError):
    """A settings file has mistakes; `facts["mistakes"]` lists them all."""

    def __str__(self) -> str:
        lines = "\n".join(f"  {line}" for line in self.facts.get("mistakes", ()))
        text = f"{self.message}\n{lines}"
        return f"{text}\nhint: {self.hint}" if self.hint else text


class ConnectorFolderError(UsageError):
    """A connector folder lacks what is needed to run or build it."""


class ConnectorError(HydrotestError):
    """The connector under test is at fault."""

    exit_code = 1


class ProtocolViolation(ConnectorError):
    """The connector's output doesn't hold what the protocol asks for."""


class ConnectorExited(ConnectorError):
    """The connector ended before it gave the answer that was needed."""


class ConnectorTimedOut(ConnectorError):
    """The connector was stopped because its time was up."""


class InfrastructureError(HydrotestError):
    """The machine failed, not the connector; `is_transient` says if a retry may help."""

    is_transient = False


class EngineUnavailable(InfrastructureError):
    """No Docker engine answers where one is needed."""

    is_transient = True


class ImageUnavailable(InfrastructureError):
    """An image isn't on the engine, or it can't be started."""


class BuildFailed(InfrastructureError):
    """An image or a connector's environment couldn't be made."""
