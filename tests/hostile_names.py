"""Names that want to steer a terminal, or to look like others."""

HOSTILE = {
    "colours": "red\x1b[31mred\x1b[0m",
    "window title": "\x1b]0;owned\x07name",
    "link": "\x1b]8;;http://evil\x1b\\name\x1b]8;;\x1b\\",
    "one-byte escape": "\x9b2Jname",
    "lines": "one\ntwo\r\nthree\x0bfour\x85five\u2028six",
    "overwritten": "wrong\rright",
    "backspaces": "wrong\x08\x08\x08\x08\x08right",
    "turned": "turned \u202egnp.exe\u202c",
    "unseen": "zero\u200bwidth\u2060\ufeff",
    "tags": "\U000e0041\U000e0042",
    "markup": "[red]name[/red] [link=http://evil]x[/link] [/]",
    "emoji": ":smile: :warning:",
    "half a character": "lone \ud800 half",
    "a byte": "byte \udcff",
}


def is_safe(text: str) -> bool:
    """Whether a terminal would show every character of some lines, and take none as an order."""
    return all(line.isprintable() for line in text.split("\n"))
