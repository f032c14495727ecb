"""Does a service behave the same when its network is replayed?

Nothing is here yet but the version: the package exists so that its name, its place in the
workspace and its tests do.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("hydrotest-drift")
