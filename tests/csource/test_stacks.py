"""Variables on stacks that C functions hand to other threads, and words that are accessed as a whole and in pieces."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.csource.conftest import SCENE, needs_cc

pytestmark = needs_cc

HAND_OVER = "struct waiter { int data; int done; }; static struct waiter *head;"
MEET = """{{
	struct waiter mine = {{ 0 }}, *other = xchg(&head, &mine);
	if (other) {{
		{write};
		{end};
	}} else if (cmpxchg(&head, &mine, NULL) != &mine) {{
		smp_cond_load_acquire(&mine.done, VAL);
		BUG_ON({read} != 7);
	}}
}}"""


def meet(write="other->data = 7", end="smp_store_release(&other->done, 1)", read="mine.data"):
    return MEET.format(write=write, end=end, read=read)


def test_a_wait_entry_on_a_stack_is_seen_by_who_completes_it(write, check):
    cell = check(write(meet(), HAND_OVER), models=("lkmm",), initiators=2)
    assert (cell.exhausted, cell.violations, cell.races) == (True, {}, [])


def test_it_costs_nothing_where_nobody_else_uses_it(write, check):
    alone = "{ struct waiter mine = { 0 }; mine.data = me; BUG_ON(mine.data != me); }"
    plain, with_entry = check(write(name="a.c"), initiators=2), check(write(alone, HAND_OVER, name="b.c"), initiators=2)
    assert (with_entry.executions, with_entry.blocked) == (plain.executions, plain.blocked)


def test_a_plain_end_of_a_wait_races(write, check):
    cell = check(write(meet(end="other->done = 1", read="7"), HAND_OVER), models=("lkmm",), initiators=2)
    assert any("plain write" in a + b and "mine.c" in a + b for a, b in cell.races), cell.races


def test_what_was_written_after_the_end_may_be_missed(write, check):
    late = meet(write="smp_store_release(&other->done, 1)", end="WRITE_ONCE(other->data, 7)", read="READ_ONCE(mine.data)")
    with pytest.raises(Exception, match="BUG_ON"):
        check(write(late, HAND_OVER), initiators=2)


def test_processes_that_share_the_exploration_find_it_out_too(write, tmp_path):
    path = write(meet(), HAND_OVER)
    (tmp_path / "scene.yaml").write_text(SCENE.replace("INITIATORS", "2"))
    command = [sys.executable, "-m", "minikvm", "check", "scene.yaml", "--strategy", str(path), "--jobs", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
