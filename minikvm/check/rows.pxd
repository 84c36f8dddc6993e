# cython: language_level=3
"""Native rows: threads as lists of operations, interpreted without Python."""
from libc.stdint cimport int32_t, uint8_t, uint64_t
from minikvm.check.explorer cimport mk_explorer, mk_program
from minikvm.check.graph cimport event

cdef enum:
    ROW_REGISTERS = 64
    NOTE_ASSERT = -1   # note.kind: an assertion failed; subject: the row, a: the value

cdef enum row_op:
    ROW_EVENT = 0
    ROW_SET = 1        # reg = a
    ROW_CALC = 2       # reg = a cond b
    ROW_IF = 3         # if a cond b: goto target
    ROW_GOTO = 4
    ROW_ASSERT = 5     # a cond b, else a note
    ROW_JOIN = 6       # a: the thread

cdef struct row:
    uint8_t op
    uint8_t cond       # a Python operator's code, see rows.pyx
    uint8_t patch      # the event takes a value or its location out of a register, or has dependencies
    uint8_t carries    # ROW_SET, ROW_CALC: reg gets the dependencies of data_regs
    int32_t reg        # gets the value; -1: none
    int32_t a_reg      # -1: a_imm
    int32_t b_reg
    int32_t at_reg     # holds the address of the event's location; -1: proto.loc
    int32_t target
    uint64_t a_imm
    uint64_t b_imm
    uint64_t addr_regs  # bits: registers whose last read it depends on
    uint64_t data_regs
    uint64_t ctrl_regs
    event proto        # of ROW_EVENT: a is the value written (or operand), b what is expected

cdef struct row_thread:
    int32_t n
    int32_t pc
    row *rows
    int32_t nregs
    uint64_t regs[ROW_REGISTERS]
    # What gave the register its value: the thread's event of this index (-1: none) and, bit k of sources, the one k before it.
    int32_t defined[ROW_REGISTERS]
    uint64_t sources[ROW_REGISTERS]

cdef enum:
    ADDRESS_SHIFT = 20  # so that a sum of an address and a small number is nobody's address

cdef inline uint64_t address_of(int32_t loc) noexcept nogil:
    """What a register or location holds that points to a location: a positive number, unlike any that programs compute with."""
    return (<uint64_t>1 << 62) | <uint64_t>loc << ADDRESS_SHIFT

cdef int run_rows(row_thread *th, mk_explorer *x, int32_t t) except -1 nogil
