"""The page of a counterexample as text: what is in it, and that nothing in a schedule can become a part of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from minikvm.report import Schedule, html_page, schedule_of, write_html

SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """A page's tags with their attributes, in order, and the text in each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def values(self, *names: str) -> Iterator[str]:
        """All values of these attributes."""
        yield from (value for _, attributes in self.tags for name, value in attributes.items() if name in names and value is not None)


def svg_of(schedule: Schedule) -> ET.Element:
    """The diagram, parsed as XML."""
    found = re.search(r'<svg class="sequence".*?</svg>', html_page(schedule), re.DOTALL)
    assert found is not None
    return ET.fromstring(found.group())


def arrows(schedule: Schedule) -> list[tuple[str, str]]:
    """Kind and steps of each arrow of the diagram."""
    groups = [group for group in svg_of(schedule).iter(f"{SVG}g") if "arrow" in group.get("class", "")]
    return [(group.get("class", "").removeprefix("arrow "), group.get("data-steps", "")) for group in groups]


def test_the_page_asks_for_nothing_from_elsewhere(any_schedule: Schedule) -> None:
    page = Page(html_page(any_schedule))
    assert [value for value in page.values("href", "src", "xlink:href") if not value.startswith("#")] == []
    assert "@import" not in html_page(any_schedule) and "url(http" not in html_page(any_schedule)


def test_every_link_leads_somewhere(any_schedule: Schedule) -> None:
    page = Page(html_page(any_schedule))
    assert {value[1:] for value in page.values("href")} - set(page.values("id")) == set()


def test_no_id_is_there_twice(any_schedule: Schedule) -> None:
    ids = list(Page(html_page(any_schedule)).values("id"))
    assert sorted(ids) == sorted(set(ids))


def test_the_diagram_is_well_formed_and_has_a_title_and_a_description(any_schedule: Schedule) -> None:
    svg = svg_of(any_schedule)
    assert [len(svg.findtext(f"{SVG}{name}", "")) > 20 for name in ("title", "desc")] == [True, True]


def test_every_step_has_a_card_with_a_label_and_a_row(any_schedule: Schedule) -> None:
    page = Page(html_page(any_schedule))
    steps = [str(row.step) for row in any_schedule.rows]
    assert [attributes["data-step"] for tag, attributes in page.tags if tag == "a" and "data-step" in attributes] == steps
    labels = [attributes["aria-label"] or "" for _, attributes in page.tags if "data-step" in attributes]
    assert [label.split(",")[0] for label in labels] == [f"Step {step}" for step in steps]
    assert [attributes["id"] for tag, attributes in page.tags if tag == "tr" and "id" in attributes] == [f"row-{step}" for step in steps]


def test_exactly_the_marked_step_is_marked(sc: Schedule) -> None:
    page = Page(html_page(sc))
    marked = [attributes.get("id") for _, attributes in page.tags if "marked" in (attributes.get("class") or "").split()]
    assert marked == ["step-18", "row-18"]


def test_values_and_interrupts_are_arrows(sc: Schedule) -> None:
    assert arrows(sc) == [("reads", "1 4"), ("reads", "7 15"), ("ipi", "16")]


def test_a_waiting_store_is_an_arrow_to_its_flush(tso: Schedule) -> None:
    assert arrows(tso) == [("flush", "2 9")]


def test_a_store_that_was_not_seen_is_an_arrow_of_its_own(lkmm: Schedule) -> None:
    assert arrows(lkmm) == [("unseen", "4 11"), ("reads", "1 11"), ("reads", "5 13"), ("ipi", "14")]


def test_another_thread_reads_a_buffered_store_from_its_flush(tso: Schedule) -> None:
    data = tso.model_dump(mode="json")
    data["rows"][9] |= {"thread": 2, "kind": "load", "reads_from": 2}
    assert ("reads", "9 10") in arrows(schedule_of(data))


def test_the_legend_explains_only_what_is_drawn(tso: Schedule) -> None:
    legend = html_page(tso).split('<ul class="legend">')[1].split("</ul>")[0]
    assert "store buffer" in legend and "interrupt" not in legend and "did not see" not in legend


def test_the_table_says_what_the_terminal_says(lkmm: Schedule) -> None:
    row = html_page(lkmm).split('<tr id="row-11">')[1].split("</tr>")[0]
    assert "reads the old value 0 of step 1; did not see step 4: no smp_mb() between step 10 and step 11 of task on pCPU 2" in row


def test_the_configuration_is_on_the_page(sc: Schedule) -> None:
    assert "<pre>vm:        {name: seed, vcpus: 2}\n" in html_page(sc)


def test_hostile_texts_become_no_element(sc: Schedule, hostile: Schedule) -> None:
    assert [tag for tag, _ in Page(html_page(hostile)).tags if tag in ("img", "script")] == ["script"]
    assert {name for _, attributes in Page(html_page(hostile)).tags for name in attributes if name.startswith("on")} == set()
    svg_of(hostile)


def test_hostile_texts_are_shown_as_they_are(hostile: Schedule) -> None:
    assert "&lt;img src=x onerror=&#x27;window.owned=1&#x27;&gt;" in html_page(hostile) and "\\x1b]0;owned" in html_page(hostile)


def test_the_policy_allows_only_the_page_s_own_script(sc: Schedule) -> None:
    policy = next(value for value in Page(html_page(sc)).values("content") if "default-src" in value)
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy and policy.count("'sha256-") == 2


def test_what_cannot_be_encoded_is_written_all_the_same(hostile: Schedule, tmp_path: Path) -> None:
    write_html(tmp_path / "page.html", hostile)
    assert "\\ud800" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("length", [1, 39, 300])
def test_a_long_word_is_folded_into_its_card(length: int, sc: Schedule) -> None:
    data = sc.model_dump(mode="json")
    data["rows"][0] |= {"text": "Q" * length, "place": "", "remark": ""}
    text = "".join(found.text or "" for found in svg_of(schedule_of(data)).iter(f"{SVG}text") if found.get("class") == "op")
    assert text.count("Q") == length
