# cython: language_level=3
"""From statements (parser.Row) to native rows."""
from libc.stdint cimport int32_t, uint64_t
from minikvm.check.explorer cimport mk_explorer
from minikvm.check.rows cimport row_thread

# A number, or "&x": the address of a location. ProgramError for one that is not there.
cdef uint64_t constant(value, tuple loc_names) except? 0
# The rows of thread t; regs gets its registers, name -> number. ProgramError. The caller frees both the rows and what holds them.
cdef row_thread *compile_rows(list rows, int32_t t, dict regs, tuple loc_names, mk_explorer *x) except NULL
