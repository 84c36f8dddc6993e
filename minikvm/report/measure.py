"""How wide a text is at most, without a font at hand: lines of SVG do not fold by themselves.

The widths are those of DejaVu Sans and DejaVu Sans Mono, which are among the widest; another font leaves more room.
"""

from __future__ import annotations

MONO = 0.602
"""Width of an ASCII character of a monospaced font, in em."""
OTHER = 1.05
"""Upper bound for a character that is not ASCII."""
BOLD = 1.12
"""A bold text's width by a plain one's, at most."""

BREAKS = ("(,/", "_>")
"""A word that is longer than a line is broken behind one of these, if it can: rather of the first kind."""

_BY_WIDTH = {
    0.42: "iljtfrIJ .,:;|'!()[]/\\\"-`",
    0.53: "szc_*?",
    0.60: "kvxyLF",
    0.64: "abdeghnopqu0123456789${}ETSP",
    0.71: "ABCKRVXYZ",
    0.79: "DGHNOQU&",
    0.84: "w=<>+~^#",
    1.00: "mMW%@",
}
_WIDTHS = {character: width for width, characters in _BY_WIDTH.items() for character in characters}


def width(text: str, size: float, mono: bool = False, bold: bool = False) -> float:
    """Upper bound of the width of *text* in a font of *size*, in the unit of *size*."""
    ems = sum((MONO if mono else _WIDTHS.get(character, OTHER)) if character.isascii() else OTHER for character in text)
    return ems * size * (BOLD if bold and not mono else 1)


def fold(text: str, room: float, size: float, mono: bool = False, bold: bool = False) -> list[str]:
    """*text* in lines that are at most *room* wide: broken at spaces, and inside a word only when it is longer than a line."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if width(joined, size, mono, bold) <= room:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while width(line, size, mono, bold) > room and len(line) > 1:
            fits = next(at for at in range(len(line) - 1, 0, -1) if at == 1 or width(line[:at], size, mono, bold) <= room)
            parts = (at for kind in BREAKS for at in range(fits, fits // 2, -1) if line[at - 1] in kind)
            fits = next(parts, fits)
            lines.append(line[:fits])
            line = line[fits:]
    return [*lines, line] if line else lines


def shorten(text: str, room: float, size: float, mono: bool = False, bold: bool = False) -> str:
    """*text*, or as much of its end as fits into *room* behind three dots: of a path the end says most."""
    if width(text, size, mono, bold) <= room:
        return text
    start = next(at for at in range(1, len(text) + 1) if width(f"...{text[at:]}", size, mono, bold) <= room)
    return f"...{text[start:]}"
