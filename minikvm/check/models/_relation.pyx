"""Relations as matrices of bits. See _relation.pxd."""
from libc.stdint cimport int32_t
from libc.string cimport memset


cdef enum:
    NEW = -1
    FINISHED = -2  # else: what to look at next among the element's successors


cdef bint acyclic(const relation *r, const relation *reach, int32_t *order, int32_t *work) noexcept nogil:
    """Depth first, without recursion."""
    cdef int32_t *state = work
    cdef int32_t *stack = work + r.n
    cdef int32_t depth, i, x, y, n = 0
    memset(state, 0xff, r.n * sizeof(int32_t))  # NEW
    for i in range(r.n):
        if state[i] != NEW:
            continue
        depth = 0
        stack[0] = i
        state[i] = 0
        while depth >= 0:
            x = stack[depth]
            y = next_in(row(r, x), state[x], r.words)
            if y < 0:
                state[x] = FINISHED
                order[n] = x
                n += 1
                depth -= 1
                if reach != NULL:
                    memset(row(reach, x), 0, r.words * sizeof(row(reach, x)[0]))
                    add_image(row(reach, x), row(r, x), reach)
                    put(row(reach, x), x)
                continue
            state[x] = y + 1
            if state[y] == FINISHED:
                continue
            if state[y] != NEW:
                return False
            state[y] = 0
            depth += 1
            stack[depth] = y
    return True
