"""The classic shapes as files: for each model and spelling, is the weak outcome there, and how many executions are.

The table is that of other checkers (herd7, GenMC, Nidhugg), two or three a cell. LB under lkmm is the one cell that minikvm does not
have: it leaves out executions with a cycle in program order and reads-from, so it finds 3 and forbids what lkmm allows with 4. How
the columns are spelled: x86's mfence and C11's seq_cst fence are smp_mb; seq_cst accesses are C11's, in the folder c11.
"""

import pytest

COLUMNS = {
    "SC": ("sc", "{}+once"), "TSO": ("tso", "{}+once"), "TSO+mfence": ("tso", "{}+mb"),
    "RC11 rlx": ("rc11", "{}+once"), "RC11 ra": ("rc11", "{}+ra"), "RC11 sc": ("rc11", "c11/{}+sc"), "RC11 rlx+Fsc": ("rc11", "{}+mb"),
    "LKMM once": ("lkmm", "{}+once"), "LKMM ra": ("lkmm", "{}+ra"), "LKMM mb": ("lkmm", "{}+mb"),
}
TABLE = """
MP        F3   F3   F3   A4   F3   F3   F3   A4   F3   F3
SB        F3   A4   F3   A4   A4   F3   F3   A4   A4   F3
LB        F3   F3   F3   F3   F3   F3   F3   F3   F3   F3
S         F3   F3   F3   A4   F3   F3   F3   A4   F3   F3
R         F3   A4   F3   A4   A4   F3   F3   A4   A4   F3
2+2W      F3   F3   F3   A4   A4   F3   F3   A4   A4   F3
WRC       F7   F7   F7   A8   F7   F7   F7   A8   F7   F7
RWC       F7   A8   F7   A8   A8   F7   F7   A8   A8   F7
W+RWC     F7   A8   F7   A8   A8   F7   F7   A8   A8   F7
ISA2      F7   F7   F7   A8   F7   F7   F7   A8   F7   F7
Z6.0      F7   F7   F7   A8   A8   F7   F7   A8   A8   F7
3.SB      F7   A8   F7   A8   A8   F7   F7   A8   A8   F7
IRIW      F15  F15  F15  A16  A16  F15  F15  A16  A16  F15
CoRR      F3   F3   F3   F3   F3   F3   F3   F3   F3   F3
CoRW2     F3   F3   F3   F3   F3   F3   F3   F3   F3   F3
CoWR      F3   F3   F3   F3   F3   F3   F3   F3   F3   F3
CoWW      F1   F1   F1   F1   F1   F1   F1   F1   F1   F1
CoRW1     F1   F1   F1   F1   F1   F1   F1   F1   F1   F1
n6        F4   A5   F4   A6   A5   F4   F4   A6   A5   F4
SB+rfi    F3   A4   F3   A4   A4   F3   F3   A4   A4   F3
"""
CELLS = [(name, column, cell) for name, *cells in map(str.split, TABLE.strip().splitlines())
         for column, cell in zip(COLUMNS, cells, strict=True)]


@pytest.mark.parametrize(("name", "column", "cell"), CELLS, ids=lambda part: part.replace(" ", "-"))
def test_a_shape_has_its_verdict_and_its_number_of_executions(name, column, cell, verdict):
    model, file = COLUMNS[column]
    found = verdict(file.format(name), model)
    assert ("A" if found.positive else "F") + str(found.executions) == cell
    assert found.positive + found.negative == found.executions == sum(state.executions for state in found.states)
    assert found.exhausted and not found.blocked and not found.races
