"""A connector that behaves as its first argument says; the protocol's words follow it.

Standard library of Python 3.10 only: it also runs inside images.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

__all__ = ["main"]

_BIG = 5_000_000
_SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def _say(message: str) -> None:
    sys.stdout.write(json.dumps({"type": "LOG", "log": {"level": "INFO", "message": message}}))
    sys.stdout.write("\n")
    sys.stdout.flush()


def _leave_behind() -> None:
    """Start two processes that outlive us if they can; one leaves our group."""
    for is_apart in (False, True):
        subprocess.Popen([sys.executable, "-c", _SLEEPER], start_new_session=is_apart)


def _hang() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _say("before")
    _leave_behind()
    _say("still here")
    time.sleep(600)


def _background() -> None:
    _leave_behind()
    _say("gone")


def _two_voices() -> None:
    for number in range(500):
        _say(f"out {number}")
        sys.stderr.write(f"err {number}\n")


def _echo() -> None:
    words = sys.argv[2:]
    given = {}
    for flag, path in zip(words[1::2], words[2::2], strict=False):
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as a connector would
            given[flag] = json.load(file)
    _say(json.dumps({"command": words[0], "files": given, "environment": dict(os.environ)}))


def _records() -> None:
    for number in range(1000):
        record = {"stream": "s", "data": {"id": number}, "emitted_at": 1}
        sys.stdout.write(json.dumps({"type": "RECORD", "record": record}) + "\n")


def _unicode() -> None:
    line = '{"type":"LOG","log":{"level":"INFO","message":"grüße 🚰 \u2028 e\u0301"}}\n'
    sys.stdout.buffer.write(line.encode() + b"\xff\xfe broken\n")


def _signal() -> None:
    _say("before")
    os.kill(os.getpid(), signal.SIGKILL)


def _exit_3() -> None:
    _say("before")
    sys.exit(3)


def _no_newline() -> None:
    sys.stdout.write('{"type":"LOG","log":{"level":"INFO","message":"last"}}')


_BEHAVIOURS = {
    "records": _records,
    "exit_3": _exit_3,
    "signal": _signal,
    "hang": _hang,
    "background": _background,
    "two_voices": _two_voices,
    "echo": _echo,
    "big_line": lambda: _say("x" * _BIG),
    "no_newline": _no_newline,
    "unicode": _unicode,
}


def main() -> None:
    """Behave."""
    _BEHAVIOURS[sys.argv[1]]()


if __name__ == "__main__":
    main()
