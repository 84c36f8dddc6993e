"""What compilers make of plain accesses that are no single load or store: struct copies, memset() and the like; with gcc and with clang."""

from __future__ import annotations

import pytest

from minikvm.csource.build import BadSource
from minikvm.pluginload import PluginError

pytestmark = pytest.mark.usefixtures("compiler")

TEXT = """\
{before}
static int done;
bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
{{
	int me = get_cpu();
	{inside}
	put_cpu();
	kvm_make_request(req, kvm_get_vcpu(kvm, 0));
	smp_mb();
	return kvm_kick_many_cpus(cpu_online_mask, false);
}}
"""
LINE = 6
"""Of what is inside, where one line is before."""
PASS_ON = "if (xchg(&done, 1) == 0) {{ {write}; smp_store_release(&done, 2); }} else if (smp_load_acquire(&done) == 2) BUG_ON(!({seen}));"
UNORDERED = "if (xchg(&done, 1) == 0) {{ {write}; WRITE_ONCE(done, 2); }} else if (READ_ONCE(done) == 2) BUG_ON(!({seen}));"
BULK = {
    "a small struct": (
        "struct b { int x, y; }; static struct b from, to;",
        "from.x = 1; from.y = 2; to = from",
        "to.x == 1 && to.y == 2",
    ),
    "a struct": (
        "struct b { long x, y, z; }; static struct b from, to;",
        "from.x = 1; from.z = 3; to = from",
        "to.x == 1 && to.y == 0 && to.z == 3",
    ),
    "a literal": (
        "struct b { long x, y, z; }; static struct b to = { 1, 1, 1 };",
        "to = (struct b){ .y = 2 }",
        "to.x == 0 && to.y == 2 && to.z == 0",
    ),
    "memset": ("static long a[6];", "memset(a, 1, sizeof(a))", "a[0] == 0x0101010101010101 && a[5] == a[0]"),
    "memcpy": ("static long a[6], b[6] = { 1, 2, 3, 4, 5, 6 };", "memcpy(a, b, sizeof(a))", "a[0] == 1 && a[5] == 6"),
    "what memcmp compares": (
        "static long a[3], b[3] = { 1, 2, 3 };",
        "a[0] = 1; a[1] = 2; a[2] = 3",
        "memcmp(a, b, 24 + (me < 0)) == 0",
    ),
    "memmove": (
        "static char s[16] = \"0123456789\";",
        "memmove(s + 3, s + 1, 7); memmove(s, s + 1, 3)",
        "s[0] == '1' && s[2] == '1' && s[3] == '1' && s[4] == '2' && s[9] == '7'",
    ),
}


@pytest.fixture
def explore(write, check):
    """Two initiators' calls of something, under a model: the cell."""

    def explore(inside, before="", model="lkmm", initiators=2):
        return check(write(text=TEXT.format(before=before, inside=inside)), models=(model,), initiators=initiators, wait=False)

    return explore


@pytest.mark.parametrize("what", BULK)
def test_what_is_written_at_once_is_seen_whole_by_who_acquires_it(what, explore):
    before, write, seen = BULK[what]
    assert explore(PASS_ON.format(write=write, seen=seen), before).races == []


@pytest.mark.parametrize("what", BULK)
def test_what_is_written_at_once_may_be_missed_without_an_order(what, explore):
    before, write, seen = BULK[what]
    with pytest.raises(PluginError, match="BUG_ON"):
        explore(UNORDERED.format(write=write, seen=seen), before)


def test_memset_races_on_its_line(explore):
    races = explore("memset(a, me, 16); BUG_ON(READ_ONCE(a[1]) == 77);", "static long a[2];").races
    assert any(all(side.startswith("plain write") and side.endswith(f"mine.c:{LINE}") for side in race) for race in races), races


def test_an_increment_reads_before_it_writes(explore):
    with pytest.raises(PluginError, match="BUG_ON"):
        explore("n++; if (xchg(&done, 1)) BUG_ON(n == 1);", "static int n;", model="sc")


@pytest.mark.parametrize(("kind", "race"), [("volatile ", False), ("", True)])
def test_a_volatile_access_is_no_race(kind, race, explore):
    assert bool(explore("v = me; BUG_ON(READ_ONCE(v) == 77);", f"static {kind}int v;").races) == race


def test_a_builtin_of_the_compilers_is_atomic(explore):
    inside = "__atomic_fetch_add(&v, 1, __ATOMIC_RELAXED); __sync_fetch_and_nand(&w, 0); if (xchg(&done, 1)) BUG_ON(READ_ONCE(v) == 1);"
    assert explore(inside, "static int v, w;").races == []


def test_a_constant_with_an_address_in_it_is_read(explore):
    where = "static int a; static int *const t[2] = { &a, &a }; static int *const *volatile where = t;"
    assert explore("BUG_ON(!where[me & 1]);", where).exhausted


@pytest.mark.parametrize("call", ["memset(p, 0, 100 + me)", "memcpy(p, &done, me + 1)"])
def test_a_wild_pointer_is_told_with_the_line_that_gives_it_away(call, explore):
    with pytest.raises(PluginError, match=rf"mine\.c:{LINE + 2}: a wild pointer \(SIGSEGV, address 0x0\)"):
        explore(f"char *p = (char *)(unsigned long)(req & 0x10);\n\n\t{call};", "static int unused;")


def test_a_loop_that_spins_on_a_plain_variable_is_stopped_with_its_line(explore):
    before = "static int flag; static void wait_a_little(int n) { (void)n; }"
    with pytest.raises(PluginError, match=rf"mine\.c:{LINE + 1}: a loop that does not end"):
        explore("flag = req & 16;\n\twhile (!flag)\n\t\twait_a_little(me);", before, initiators=1)


def test_a_function_that_is_only_declared_is_said_to_be_missing(explore):
    with pytest.raises(BadSource) as caught:
        explore("smp_mb__after_atmic();", "extern void smp_mb__after_atmic(void);")
    assert "undefined reference to `smp_mb__after_atmic'" in str(caught.value)
    assert "near names there: smp_mb__after_atomic" in str(caught.value)
