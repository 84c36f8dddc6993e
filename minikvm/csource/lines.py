"""From addresses of a compiled library to the user's lines and variables: DWARF's line program and the symbol table, read once."""

from __future__ import annotations

import bisect
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MASKS = "mk_masks_of_"


@dataclass(frozen=True)
class Lines:
    """addresses[i]: where the code of line lines[i] of file files[which[i]] begins, ascending; line 0 ends a sequence.

    symbols: (address, size, name) of variables, ascending.
    """

    addresses: list[int] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    symbols: list[tuple[int, int, str]] = field(default_factory=list)

    def at(self, address: int) -> tuple[str, int] | None:
        """(file, line) of the code at an address, or None."""
        i = bisect.bisect_right(self.addresses, address) - 1
        return (self.files[self.which[i]], self.lines[i]) if i >= 0 and self.lines[i] else None

    def before(self, address: int, file: str) -> int:
        """The line of *file* whose code comes last before an address, in the same sequence; 0 where there is none."""
        i = bisect.bisect_right(self.addresses, address) - 1
        while i >= 0 and self.lines[i]:
            if self.files[self.which[i]] == file:
                return self.lines[i]
            i -= 1
        return 0

    def variable(self, address: int) -> str | None:
        """The name of the variable that an address lies in, with the offset where it is not its beginning."""
        i = bisect.bisect_right(self.symbols, (address, 1 << 62, "")) - 1
        if i < 0 or address >= self.symbols[i][0] + max(1, self.symbols[i][1]):
            return None
        offset = address - self.symbols[i][0]
        if self.symbols[i][2].startswith(MASKS):  # of DEFINE_PER_CPU(cpumask_var_t, name), a word each in a check
            return f"{self.symbols[i][2].removeprefix(MASKS)} of CPU {offset // 8}"
        return self.symbols[i][2] + (f"+{offset}" if offset else "")


def read_lines(library: Path) -> Lines:
    """Of an ELF file with debug information."""
    from elftools.elf.elffile import ELFFile

    rows: list[tuple[int, int, str]] = []
    symbols: list[tuple[int, int, str]] = []
    with library.open("rb") as file:
        elf = ELFFile(file)
        if elf.has_dwarf_info():
            dwarf = elf.get_dwarf_info()
            for unit in dwarf.iter_CUs():
                rows += _rows_of(dwarf.line_program_for_CU(unit))
        table: Any = elf.get_section_by_name(".symtab")
        if table is not None:
            symbols = sorted(
                (symbol["st_value"], symbol["st_size"], symbol.name)
                for symbol in table.iter_symbols()
                if symbol["st_info"]["type"] == "STT_OBJECT"
            )
    rows.sort(key=lambda row: (row[0], row[1] != 0))  # of several at an address the last one of the program counts; an end comes first
    files = sorted({name for _, _, name in rows})
    number = {name: i for i, name in enumerate(files)}
    return Lines([row[0] for row in rows], [number[row[2]] for row in rows], [row[1] for row in rows], files, symbols)


def undefined(library: Path) -> list[str]:
    """The functions and variables that an ELF library uses and no library that it was linked with has."""
    from elftools.elf.elffile import ELFFile

    with library.open("rb") as file:
        elf = ELFFile(file)
        table: Any = elf.get_section_by_name(".dynsym")
        versions: Any = elf.get_section_by_name(".gnu.version")
        return sorted(
            symbol.name
            for i, symbol in enumerate(table.iter_symbols())
            if symbol["st_shndx"] == "SHN_UNDEF"
            and symbol["st_info"]["bind"] == "STB_GLOBAL"
            and (versions is None or versions.get_symbol(i)["ndx"] in ("VER_NDX_LOCAL", "VER_NDX_GLOBAL"))
        )


def _rows_of(program: Any) -> list[tuple[int, int, str]]:
    """(address, line, file) of each row of a line program; line 0 where a sequence ends."""
    if program is None:
        return []
    five = program["version"] >= 5
    folders = [_text(folder) for folder in program["include_directory"]]
    names = []
    for entry in program["file_entry"]:
        folder = entry["dir_index"] if five else entry["dir_index"] - 1
        name = _text(entry.name)
        names.append(os.path.normpath(os.path.join(folders[folder], name)) if 0 <= folder < len(folders) else name)
    found = []
    for entry in program.get_entries():
        state = entry.state
        if state is None or (state.line == 0 and not state.end_sequence):
            continue  # line 0 is code of no line of its own (clang, where it has merged two): it counts as the line before it
        index = state.file if five else state.file - 1
        name = names[index] if 0 <= index < len(names) else "?"
        found.append((state.address, 0 if state.end_sequence else state.line, name))
    return found


def _text(value: Any) -> str:
    value = getattr(value, "name", value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def save(lines: Lines, path: Path) -> None:
    """As JSON."""
    path.write_text(json.dumps([lines.addresses, lines.which, lines.lines, lines.files, lines.symbols]))


def saved(path: Path) -> Lines:
    """What save() wrote."""
    addresses, which, numbers, files, symbols = json.loads(path.read_text())
    return Lines(addresses, which, numbers, files, [(address, size, name) for address, size, name in symbols])
