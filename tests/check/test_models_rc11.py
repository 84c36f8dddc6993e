"""What is particular to rc11: release sequences, fences, psc, and how the kernel's operations are seen."""

import pytest

from minikvm.check.program import Program, explore


def allowed(text, **values):
    """Is there an execution with these values?"""
    return explore(Program.parse(text).observe(*values), "rc11").allows(**values)


MP = {"a": 1, "b": 0}


@pytest.mark.parametrize("text, weak", [
    ("W x 1; W y 1 release || R y a acquire; R x b", False),
    ("W x 1; W y 1 release || R y a; R x b", True),
    ("W x 1; W y 1 || R y a acquire; R x b", True),
    ("W x 1; F release; W y 1 || R y a; F acquire; R x b", False),
    ("W x 1; F release; W y 1 || R y a acquire; R x b", False),
    ("W x 1; W y 1 release || R y a; F acquire; R x b", False),
    ("W x 1; F wmb; W y 1 || R y a; F rmb; R x b", False),
    ("W x 1; F acquire; W y 1 || R y a; F release; R x b", True),
    ("W x 1; F acq_rel; W y 1 || R y a; F acq_rel; R x b", False),
    ("W x 1; W y 1; F release || R y a; F acquire; R x b", True),
    ("W x 1; F release; W y 1 || F acquire; R y a; R x b", True),
    ("W x 1; F barrier; W y 1 || R y a; F barrier; R x b", True),
    ("W x 1 plain; W y 1 plain || R y a plain; R x b plain", True),
])
def test_message_passing(text, weak):
    assert allowed(text, **MP) == weak


@pytest.mark.parametrize("middle, weak", [
    ("ADD y _ 1", False), ("ADD y _ 1 acquire", False), ("CAS y _ 1 2", False), ("W y 2", True), ("W y 2 release", True)])
def test_a_release_sequence_goes_on_through_an_rmw_of_another_thread_and_through_nothing_else(middle, weak):
    assert allowed(f"W x 1; W y 1 release || {middle} || R y a acquire; R x b", a=2, b=0) == weak


def test_a_release_sequence_goes_through_several_rmws():
    assert not allowed("W x 1; W y 1 release || ADD y _ 1 || ADD y _ 1 || R y a acquire; R x b", a=3, b=0)


def test_a_release_sequence_goes_on_through_the_same_threads_later_writes():
    assert not allowed("W x 1; W y 1 release; W y 2 || R y a acquire; R x b", a=2, b=0)


def test_an_rmw_that_reads_an_older_write_is_in_no_release_sequence_of_a_later_one():
    assert allowed("W x 1; W y 4 release || OR y _ 1 || R y a acquire; R x b", a=1, b=0)


SB = {"a": 0, "b": 0}


@pytest.mark.parametrize("text, weak", [
    ("W x 1; F sc; R y a || W y 1; F sc; R x b", False),
    ("W x 1; F mb; R y a || W y 1; F before_atomic; R x b", False),
    ("W x 1; F mb; R y a || W y 1; R x b", True),
    ("W x 1; F acq_rel; R y a || W y 1; F sc; R x b", True),
    ("W x 1 sc; R y a sc || W y 1 sc; R x b sc", False),
    ("W x 1 sc; R y a || W y 1 sc; R x b sc", True),
    ("W x 1 sc; R y a sc || W y 1; F sc; R x b", False),
    ("W x 1; F sc; R y a || W y 1 sc; F sc; R x b sc", False),
    ("XCHG x _ 1 sc; R y a || W y 1; F sc; R x b", True),        # C11's seq_cst RMW is no fence
    ("XCHG x _ 1 full; R y a || W y 1; F mb; R x b", False),     # the kernel's xchg() is
    ("XCHG x _ 1 full; R y a || XCHG y _ 1 full; R x b", False),
    ("W x 1; XCHG z _ 1 full; R y a || W y 1; F mb; R x b", False),
    ("OR x _ 1; R y a || OR y _ 1; R x b", True),
])
def test_store_buffering(text, weak):
    assert allowed(text, **SB) == weak


@pytest.mark.parametrize("expected, weak", [(0, False), (5, True)])
def test_a_cmpxchg_is_two_fences_if_it_succeeds_and_none_if_it_fails(expected, weak):
    assert allowed(f"W x 1; CAS z c {expected} 6 full; R y a || W y 1; F mb; R x b", **SB) == weak


@pytest.mark.parametrize("order, weak", [("relaxed", True), ("full", False), ("release", True), ("acquire", False), ("acq_rel", False),
                                         ("sc", False)])
def test_an_rmw_that_fails_is_a_relaxed_read_whatever_its_order(order, weak):
    assert allowed(f"W x 1; W y 1 release || CAS y a 7 8 {order}; R x b", **MP)
    assert allowed(f"W x 1; W y 1 release || CAS y a 1 8 {order}; R x b", **MP) == weak


def test_psc_orders_fences_through_extended_coherence():
    # IRIW and RWC with fences: [Fsc]; hb; eco; hb; [Fsc]
    assert not allowed("W x 1 || W y 1 || R x a; F sc; R y b || R y c; F sc; R x d", a=1, b=0, c=1, d=0)
    assert allowed("W x 1 || W y 1 || R x a acquire; R y b acquire || R y c acquire; R x d acquire", a=1, b=0, c=1, d=0)
    assert not allowed("W x 1 || R x a; F sc; R y b || W y 1; F sc; R x c", a=1, b=0, c=0)


def test_mixed_orders_of_one_location():
    # Z6.U of the paper: an SC write, a release chain, an SC read; C11 as it was forbade it, RC11 does not.
    assert allowed("W x 1 sc; W y 1 release || ADD y b 1 sc; R y c || W y 3 sc; R x a sc", a=0, b=1, c=3)


def test_nothing_comes_out_of_thin_air():
    assert not allowed("R x a; W y a || R y b; W x b", a=1, b=1)
    assert explore(Program.parse("R x a; W y 1 || R y b; W x 1"), "rc11").executions == 3
