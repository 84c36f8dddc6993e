"""What holds for every page: its links lead somewhere, and it names no place on the machine that it was written on."""

import re

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PLACE = re.compile(r"(?<![\w.~])/(?:home|root|tmp|work|mnt|opt|srv|Users|var)/\w+")


def anchors(text):
    """The anchors of the headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(path):
    text = path.read_text(encoding="utf-8")
    for target in LINK.findall(FENCE.sub("", text)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        if not there.exists() or (anchor and anchor not in anchors(there.read_text(encoding="utf-8"))):
            yield target


def test_every_relative_link_of_a_page_leads_somewhere(page, root):
    assert list(broken_links(root / page)) == []


def test_a_link_to_nowhere_is_found(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# One head\n[a](#one-head) [b](#other) [c](nothing.md) [d](page.md#one-head) [e](https://example.org/x)\n")
    assert list(broken_links(path)) == ["#other", "nothing.md"]


def test_a_page_names_no_place_of_one_machine(page, root):
    assert PLACE.findall((root / page).read_text(encoding="utf-8")) == []


def test_a_page_keeps_to_the_line_length(page, root):
    lines = FENCE.sub("", (root / page).read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if len(line) > 140 and not line.startswith("|")] == []


def test_the_index_of_the_docs_names_every_page(root):
    index = (root / "docs/README.md").read_text(encoding="utf-8")
    assert [p.name for p in sorted((root / "docs").glob("*.md")) if p.name != "README.md" and f"({p.name})" not in index] == []


def test_the_table_of_configurations_names_every_file(root):
    table = (root / "configs/README.md").read_text(encoding="utf-8")
    files = [*(root / "configs").glob("*.yaml"), *(root / "configs/c").glob("*.yaml")]
    assert [str(p) for p in sorted(files) if f"({p.relative_to(root / 'configs')})" not in table] == []


def test_the_readme_has_the_two_lines_that_set_everything_up(root):
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/minikvm run configs/quickstart.yaml" in lines
    assert "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox" in lines
