"""Does a connector keep the Airbyte protocol and its own declarations? A pytest plugin.

`plugin` hooks into pytest and is inert until asked; `suites` holds the tests with CAT's ids;
`rules` are pure functions from evidence to judgements; `config` reads
`acceptance-test-config.yml`; `session` runs the connector; `controller` writes the report.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("hydrotest-acceptance")
