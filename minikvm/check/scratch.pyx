"""Buffers of OS threads. See scratch.pxd."""

cdef extern from *:
    """
    #include <pthread.h>
    #include <stdlib.h>
    #define MK_SCRATCHES 4
    struct mk_scratch { void *p[MK_SCRATCHES]; size_t n[MK_SCRATCHES]; };
    static __thread struct mk_scratch *mk_mine;
    static pthread_key_t mk_key;
    static pthread_once_t mk_once = PTHREAD_ONCE_INIT;
    static void mk_drop(void *mine)
    {
        for (int i = 0; i < MK_SCRATCHES; i++)
            free(((struct mk_scratch *)mine)->p[i]);
        free(mine);
    }
    static void mk_make_key(void) { pthread_key_create(&mk_key, mk_drop); }
    static void *mk_scratch_more(int number, size_t bytes)
    {
        void *p;
        if (!mk_mine) {
            pthread_once(&mk_once, mk_make_key);
            mk_mine = calloc(1, sizeof(*mk_mine));
            if (!mk_mine || pthread_setspecific(mk_key, mk_mine)) {
                free(mk_mine);
                mk_mine = NULL;
                return NULL;
            }
        }
        p = realloc(mk_mine->p[number], bytes);
        if (p) {
            mk_mine->p[number] = p;
            mk_mine->n[number] = bytes;
        }
        return p;
    }
    static inline void *mk_scratch(int number, size_t bytes)
    {
        if (__builtin_expect(mk_mine && mk_mine->n[number] >= bytes && bytes, 1))
            return mk_mine->p[number];
        return mk_scratch_more(number, bytes < 2048 ? 4096 : 2 * bytes);
    }
    """
    void *mk_scratch(int number, size_t bytes) nogil


cdef void *scratch(int number, size_t bytes) except NULL nogil:
    cdef void *p = mk_scratch(number, bytes)
    if p == NULL:
        with gil:
            raise MemoryError(f"no memory for a consistency check ({bytes} bytes)")
    return p
