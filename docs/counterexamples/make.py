"""Make the schedule files in this folder again, and the outputs that docs/seed-question.md shows.

    python docs/counterexamples/make.py

Needs plugins/minikvm-known-bugs to be installed, for control A. Takes about a minute. Of each `$ minikvm check` block of the page the
command is run, and its output pasted as printed, at 130 columns; a comment before the block cuts it: `<!-- printed: FROM | TO -->` keeps
the lines from the first that begins with FROM up to the next one after it that begins with TO (not included).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = HERE.parent / "seed-question.md"
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("seed-*.yaml"))
FORMS = "linear,v1-bitmap,upstream"
BLOCK = re.compile(
    r"(<!-- printed: (?P<first>.*) \| (?P<end>.*) -->\n)?```console\n\$ (?P<command>minikvm check .*)\n(?:.*\n)*?```\n"
)


def run(command: str, folder: Path) -> tuple[str, int]:
    """What a command line prints in a folder that has configs/ in it, and its exit code."""
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(words, cwd=folder, env={**os.environ, "COLUMNS": "130"}, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout, done.returncode


def cut(lines: list[str], first: str, end: str) -> list[str]:
    """The lines that a comment asks for, with ... where some were left out."""
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    stop = next((i for i in range(start + 1, len(lines)) if lines[i].startswith(end)), len(lines))
    return [*(["..."] if start else []), *lines[start:stop], *(["..."] if stop < len(lines) else [])]


def printed(block: re.Match[str], folder: Path) -> str:
    """A block of the page with what its command prints today."""
    output, code = run(block["command"], folder)
    lines = [line.rstrip() for line in output.splitlines()]
    if block["first"]:
        lines = cut(lines, block["first"], block["end"])
    lines = [f"$ {block['command']}", *lines, *(["$ echo $?", str(code)] if code else [])]
    return (block[1] or "") + "```console\n" + "\n".join(lines) + "\n```\n"


def main() -> None:
    """Everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "configs").symlink_to(ROOT / "configs")
        for config in CONFIGS:
            shutil.rmtree(HERE / config, ignore_errors=True)
            run(f"minikvm check configs/{config}.yaml --strategy {FORMS} --json --out '{HERE / config}'", folder)
        PAGE.write_text(BLOCK.sub(lambda block: printed(block, folder), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
