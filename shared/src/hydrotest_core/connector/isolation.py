"""What a container keeps from a connector, as data.

| | `strict` (default) | `writable` | `relaxed` |
|---|---|---|---|
| root file system | read-only, `/tmp` in memory | writable | writable |
| user | the image's, uid 1000 instead of root | the same | the image's |
| capabilities | none | none | the engine's default ones |
| new privileges, processes, memory, swap, open files | limited | the same | the same |

`writable` is what the Airbyte platform asks of a connector in rootless mode, `strict` adds
a read-only root. A connector that needs `relaxed` breaks there.
Source: ecosystem reference, B4 "isolation of the connector".

`/tmp` may hold programs: an image for the JVM unpacks its native libraries there, and
every image that could run something from `/tmp` has a shell or an interpreter anyway.
It is 1 GiB because CDK connectors keep their request cache in it; it counts as memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hydrotest_core.connector.execution import Network

__all__ = [
    "PROFILES",
    "RELAXED",
    "STRICT",
    "WRITABLE",
    "IsolationProfile",
    "Relaxation",
    "profile_in",
]

_MIB: Final = 1024 * 1024
_GIB: Final = 1024 * _MIB


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One thing that a profile doesn't keep from a connector.

    Attributes:
        what: What it is: `root file system`.
        now: How it is: `writable`.
        gives_up: What isn't known of a connector that was judged so.
    """

    what: str
    now: str
    gives_up: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationProfile:
    """Limits of a container.

    Attributes:
        name: What it is called in settings and reports.
        user_for_root: Who runs the connector where the image says root; "" for root.
        is_root_read_only: Whether the image's file system can't be written.
        tmp_bytes: Size of `/tmp` in memory; 0 for the image's own.
        shm_bytes: Size of `/dev/shm`; Python's `multiprocessing` has its locks there.
        dropped_capabilities: As the engine names them.
        memory_bytes: Memory, swap included.
        process_limit: Processes and threads.
        open_files: Open files a process.
        cpus: Processors it may use at once; 0 for all.
    """

    name: str
    user_for_root: str
    is_root_read_only: bool
    tmp_bytes: int
    shm_bytes: int = 64 * _MIB
    dropped_capabilities: tuple[str, ...]
    memory_bytes: int = 2 * _GIB
    process_limit: int = 256
    open_files: int = 4096
    cpus: float = 0.0

    def user(self, image_user: str) -> str:
        """Return who runs the connector in an image that says `USER image_user`."""
        is_root = image_user.partition(":")[0] in {"", "0", "root"}
        return (self.user_for_root or image_user) if is_root else image_user

    def relaxations(self) -> tuple[Relaxation, ...]:
        """Return what it gives up of `STRICT`."""
        found = []
        if not self.is_root_read_only:
            gives_up = "files it writes outside /tmp are not noticed, and nothing bounds them"
            found.append(Relaxation("root file system", "writable", gives_up))
        if not self.user_for_root:
            gives_up = "whether it works without root, as on rootless Airbyte, is not known"
            found.append(Relaxation("user", "the image's, root too", gives_up))
        if self.dropped_capabilities != ("ALL",):
            gives_up = "what it does by a capability, changing owners say, is not noticed"
            found.append(Relaxation("capabilities", "the engine's default ones", gives_up))
        return tuple(found)

    def in_words(self, image_user: str, network: Network) -> str:
        """Say what is in force."""
        asked, user = image_user or "root", self.user(image_user) or "root"
        parts = [
            "read-only root" if self.is_root_read_only else "writable root",
            f"{self.tmp_bytes // _MIB} MiB of /tmp in memory" if self.tmp_bytes else "",
            f"user {user}" if user == asked else f"user {user} instead of {asked}",
            "no capabilities" if self.dropped_capabilities == ("ALL",) else "",
            "no new privileges",
            f"{self.memory_bytes // _MIB} MiB of memory",
            f"{self.process_limit} processes",
            f"{self.cpus:g} CPUs" if self.cpus else "",
            "no network" if network is Network.NONE else "bridge network",
        ]
        return f"{self.name}: {', '.join(part for part in parts if part)}"


STRICT: Final = IsolationProfile(
    name="strict",
    user_for_root="1000:1000",
    is_root_read_only=True,
    tmp_bytes=1 * _GIB,
    dropped_capabilities=("ALL",),
)
WRITABLE: Final = IsolationProfile(
    name="writable",
    user_for_root="1000:1000",
    is_root_read_only=False,
    tmp_bytes=0,
    dropped_capabilities=("ALL",),
)
RELAXED: Final = IsolationProfile(
    name="relaxed",
    user_for_root="",
    is_root_read_only=False,
    tmp_bytes=0,
    dropped_capabilities=(),
)
PROFILES: Final = {profile.name: profile for profile in (STRICT, WRITABLE, RELAXED)}


def profile_in(words: str) -> IsolationProfile | None:
    """Return the profile that `IsolationProfile.in_words` told of; `None` for what had none."""
    return PROFILES.get(words.partition(":")[0])
