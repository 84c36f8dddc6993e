"""What is particular to lkmm: which half of an RMW a barrier orders, dependencies, locks, cumulativity, and the kick path's pattern."""

import pytest

from minikvm.check.program import Program, explore


def allowed(text, model="lkmm", **values):
    """Is there an execution with these values?"""
    return explore(Program.parse(text).observe(*values), model).allows(**values)


MP = {"a": 1, "b": 0}
SB = {"a": 0, "b": 0}


@pytest.mark.parametrize("text, weak", [
    ("W x 1; F wmb; W y 1 || R y a; F rmb; R x b", False),
    ("W x 1; F wmb; W y 1 || R y a; R x b", True),
    ("W x 1; W y 1 || R y a; F rmb; R x b", True),
    ("W x 1; F rmb; W y 1 || R y a; F rmb; R x b", True),
    ("W x 1; F wmb; W y 1 || R y a; F wmb; R x b", True),
    ("W x 1; W y 1 release || R y a; F rmb; R x b", False),
    ("W x 1; F wmb; W y 1 || R y a acquire; R x b", False),
    ("W x 1; F wmb; OR y _ 1 || R y a; F rmb; R x b", False),          # the write half
    ("OR x _ 1; F wmb; W y 1 || R y a; F rmb; R x b", False),
    ("W x 1; F wmb; W y 1 || ADD y a 0; F rmb; R x b", False),
    ("W x 1; F wmb; W y 1 || R y a; F rmb; ADD x b 0", False),
    ("W x 1; F barrier; W y 1 || R y a; F barrier; R x b", True),
    ("W x 1; F release; W y 1 || R y a; F acquire; R x b", True),      # C11's fences are not the kernel's
])
def test_message_passing(text, weak):
    assert allowed(text, **MP) == weak


def test_wmb_does_not_order_the_read_half_of_set_bit():
    # S: the read half of the OR after the wmb may be early, its write not; so the value read may be old although the flag is new
    assert allowed("W x 1; F wmb; OR y b 0 || W y 1; F mb; R x a", a=0, b=0)
    assert not allowed("W x 1; F mb; OR y b 0 || W y 1; F mb; R x a", a=0, b=0)


def test_rmb_does_not_order_the_read_of_an_rmw_that_returns_nothing():
    # x is 2 in the end: the OR came before the write, although y was seen already
    assert not allowed("W x 2; F wmb; W y 1 || R y a; F rmb; OR x b 1", a=1, x=2)
    assert allowed("W x 2; F wmb; W y 1 || R y a; F rmb; OR x _ 1", a=1, x=2)
    assert not allowed("W x 2; F wmb; W y 1 || R y a acquire; OR x _ 1", a=1, x=2)


@pytest.mark.parametrize("text, weak", [
    ("W x 1; F mb; R y a || W y 1; F mb; R x b", False),
    ("W x 1; F sc; R y a || W y 1; F sc; R x b", False),
    ("W x 1; F mb; R y a || W y 1; F wmb; R x b", True),
    ("W x 1 release; R y a acquire || W y 1 release; R x b acquire", True),
    ("W x 1; XCHG z _ 1 full; R y a || W y 1; F mb; R x b", False),
    ("XCHG x _ 1 full; R y a || XCHG y _ 1 full; R x b", False),
    ("W x 1; XCHG y a 2 full || W y 1; F mb; R x b", False),
    ("W x 1; XCHG z _ 1 acq_rel; R y a || W y 1; F mb; R x b", True),
    ("OR x _ 1; R y a || W y 1; F mb; R x b", True),
    ("OR x _ 1; F after_atomic; R y a || W y 1; F mb; R x b", False),
    ("W x 1; OR z _ 1; F after_atomic; R y a || W y 1; F mb; R x b", False),     # what is before the RMW too
    ("W x 1; F before_atomic; OR z _ 1; R y a || W y 1; F mb; R x b", False),    # and what follows it
    ("W x 1; F before_atomic; ADD y a 0 || W y 1; F mb; R x b", False),
    ("W x 1; F after_atomic; R y a || W y 1; F mb; R x b", True),                # beside no RMW they order nothing
    ("W x 1; F before_atomic; R y a || W y 1; F mb; R x b", True),
    ("OR z _ 1; W x 1; F after_atomic; R y a || W y 1; F mb; R x b", True),      # the write is not before the RMW
    ("W x 1; F before_atomic; R y a; OR z _ 1 || W y 1; F mb; R x b", True),
    ("W x 1; CAS z c 0 1 full; R y a || W y 1; F mb; R x b", False),
    ("W x 1; CAS z c 7 8 full; R y a || W y 1; F mb; R x b", True),              # a failing cmpxchg orders nothing
    ("W x 1; CAS y a 7 8 full || W y 1; F mb; R x b", True),
    ("W x 1; F before_atomic; CAS y a 7 8 full || W y 1; F mb; R x b", False),
])
def test_store_buffering(text, weak):
    assert allowed(text, **SB) == weak


@pytest.mark.parametrize("order", ["acquire", "acq_rel", "full"])
def test_an_rmw_that_fails_acquires_nothing(order):
    assert allowed(f"W x 1; F wmb; W y 1 || CAS y a 7 8 {order}; R x b", **MP)
    assert not allowed(f"W x 1; F wmb; W y 1 || CAS y a 1 8 {order}; R x b", **MP)


@pytest.mark.parametrize("row, weak", [
    ("R x b addr=a", False), ("R x b ctrl=a", True), ("R x b data=a", True), ("ADD x b 1 addr=a", False),
    ("ADD x b 1 ctrl=a", False),  # its write is ordered, and would come before the other
])
def test_only_an_address_dependency_orders_a_later_read(row, weak):
    assert allowed(f"W x 1; F wmb; W y 1 || R y a; {row}", **MP) == weak


@pytest.mark.parametrize("dep, weak", [("", True), (" addr=a", False), (" data=a", False), (" ctrl=a", False)])
def test_any_dependency_orders_a_later_write(dep, weak):
    assert allowed(f"W x 2; F wmb; W y 1 || R y a; W x 1{dep}", a=1, x=2) == weak


def test_a_dependency_goes_on_through_a_store_and_its_own_reader():
    assert not allowed("W x 1; F wmb; W y 1 || R y a; W z 1 data=a; R z c; R x b addr=c", a=1, c=1, b=0)
    assert allowed("W x 1; F wmb; W y 1 || R y a; W z 1 ctrl=a; R z c; R x b addr=c", a=1, c=1, b=0)


def test_release_and_strong_fences_are_cumulative_and_wmb_is_not():
    assert not allowed("W x 1 || R x a; W y 1 release || R y b acquire; R x c", a=1, b=1, c=0)
    assert not allowed("W x 1 || R x a; F mb; W y 1 || R y b acquire; R x c", a=1, b=1, c=0)
    assert allowed("W x 1 || R x a; W y 1 data=a || R y b acquire; R x c", a=1, b=1, c=0)


def test_cumulativity_goes_on_through_rmws():
    assert not allowed("W x 1; F wmb; OR y _ 1 || OR y _ 2 || R y a; F rmb; R x b", a=3, b=0)
    assert allowed("W x 1; F wmb; W y 1 || R y c; W y 2 || R y a; F rmb; R x b", a=2, c=1, b=0)


def test_unlock_and_lock_of_one_thread_order_writes_and_reads_but_not_store_and_load():
    assert not allowed("LOCK l; W x 1; UNLOCK l; LOCK m; W y 1; UNLOCK m || R y a; F rmb; R x b", **MP)
    assert not allowed("W x 1; F wmb; W y 1 || LOCK l; R y a; UNLOCK l; LOCK m; R x b; UNLOCK m", **MP)
    assert allowed("LOCK l; W x 1; UNLOCK l; LOCK m; R y a; UNLOCK m || W y 1; F mb; R x b", **SB)
    assert allowed("W x 1; LOCK l; UNLOCK l; W y 1 || R y a; F rmb; R x b", **MP)  # a critical section alone lets both in


def test_a_critical_section_is_seen_as_a_whole():
    assert not allowed("LOCK l; W x 1; W y 1; UNLOCK l || LOCK l; R y a; R x b; UNLOCK l", a=0, b=1)


def test_read_once_of_one_location_is_coherent_even_without_order():
    assert not allowed("W x 1 || R x a; R x b", **MP)


@pytest.mark.parametrize("order", ["acquire", "sc"])
def test_a_seq_cst_access_is_an_acquire_or_a_release(order):
    store = "release" if order == "acquire" else "sc"
    assert not allowed(f"W x 1; W y 1 {store} || R y a {order}; R x b", **MP)
    assert allowed(f"W x 1 {store}; R y a {order} || W y 1 {store}; R x b {order}", **SB)


LOST = {"r": 0, "m": 0}  # the vCPU saw no request, and the requester did not see IN_GUEST_MODE
VCPU = "W mode 1; F mb; R req r"


@pytest.mark.parametrize("vcpu, requester, verdicts", [
    (VCPU, "OR req _ 1; F after_atomic; R mode m", "FFF"),
    (VCPU, "F wmb; OR req _ 1; F before_atomic; CAS mode m 1 2 full", "FFF"),
    (VCPU, "OR req _ 1; R mode m", "FFA"),
    (VCPU, "OR req _ 1; CAS mode m 1 2 full", "FFA"),
    ("W mode 1; R req r", "OR req _ 1; F after_atomic; R mode m", "FAA"),
    ("W mode 1 release; R req r", "OR req _ 1; F after_atomic; R mode m", "FAA"),
])
def test_the_pattern_of_the_kick_path(vcpu, requester, verdicts):
    found = "".join("A" if allowed(f"{vcpu} || {requester}", model, **LOST) else "F" for model in ("sc", "tso", "lkmm"))
    assert found == verdicts


@pytest.mark.parametrize("sender, receiver, verdicts", [
    ("W data 1; F wmb; OR req _ 1", "R req r; AND req _ 0; F after_atomic; R data d", "FFF"),
    ("W data 1; OR req _ 1", "R req r; AND req _ 0; F after_atomic; R data d", "FFA"),
    ("W data 1; F wmb; OR req _ 1", "R req r; AND req _ 0; R data d", "FFA"),
])
def test_the_payload_of_a_request(sender, receiver, verdicts):
    found = "".join("A" if allowed(f"{sender} || {receiver}", model, r=1, d=0) else "F" for model in ("sc", "tso", "lkmm"))
    assert found == verdicts
