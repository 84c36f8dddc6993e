"""Bitmap: a fixed number of bits, 0 to 4096, in 64-bit words. The C API is in bitmap.pxd."""
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from minikvm.core.listformat import parse_regions as _parse_regions


cdef extern from "Python.h":
    # With a NULL exception a number that is too large is clipped, not refused: the caller's range check then names it.
    Py_ssize_t PyNumber_AsSsize_t(object number, PyObject *exception) except? -1

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

cdef extern from *:
    """
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define mk_little_endian(word) (word)
    #else
    #define mk_little_endian(word) __builtin_bswap64(word)
    #endif
    """
    uint64_t mk_little_endian(uint64_t word) noexcept nogil

MAX_BITS = BM_MAX_BITS
cdef char *FORMAT = b"Q"


cdef str shown(object number):
    """*number* for a message; Python refuses to print an int of thousands of digits."""
    number = int(number)
    return str(number) if number.bit_length() <= 256 else f"of {number.bit_length()} binary digits"


cdef unsigned bit_number(object bit, unsigned nbits) except? 0xffffffff:
    """*bit* as a C number; IndexError outside 0 .. nbits - 1, TypeError if it is no int."""
    cdef Py_ssize_t value = PyNumber_AsSsize_t(bit, NULL)
    if 0 <= value < nbits:
        return <unsigned>value
    raise IndexError(f"bit {shown(bit)}: expected {f'0..{nbits - 1}' if nbits else 'none, there are 0 bits'}")


cdef unsigned start_number(object start, unsigned nbits) except? 0xffffffff:
    """Where a search begins: any int from 0 up; *nbits* stands for all that are larger."""
    cdef Py_ssize_t value = PyNumber_AsSsize_t(start, NULL)
    if value < 0:
        raise IndexError(f"start {shown(start)}: expected 0 or more")
    return <unsigned>min(value, <Py_ssize_t>nbits)


cdef Bitmap new_like(Bitmap like):
    """An empty bitmap of the class and the size of *like*."""
    return type(like).__new__(type(like), like.nbits)


cdef int same_size(Bitmap a, Bitmap b) except -1:
    if a.nbits != b.nbits:
        raise ValueError(f"bitmaps of {a.nbits} and {b.nbits} bits: expected two of the same size")
    return 0


cdef int check_range(object start, object count, unsigned nbits) except -1:
    cdef Py_ssize_t first = PyNumber_AsSsize_t(start, NULL), number = PyNumber_AsSsize_t(count, NULL)
    if not 0 <= first <= nbits:
        raise IndexError(f"start {shown(start)}: expected 0..{nbits}")
    if not 0 <= number <= nbits - first:
        raise IndexError(f"count {shown(count)} from bit {first} on: expected 0..{nbits - first}")
    return 0


cdef Bitmap result(Bitmap a, Bitmap b, Bitmap out):
    """Where an operation on *a* and *b* puts its bits: *out*, or a new bitmap."""
    same_size(a, b)
    if out is None:
        return new_like(a)
    same_size(a, out)
    return out


def _rebuild(cls, nbits, data):
    """What pickle calls: a *cls* of *nbits* bits from Bitmap.to_bytes()."""
    return cls.from_bytes(data, nbits)


cdef class Bitmap:
    """A fixed number of bits, 0 to 4096; bit b is bit ``b % 64`` of 64-bit word ``b // 64``. ``Bitmap(8, [0, 2])``.

    It looks like a set of ints: ``bit in bitmap``, iteration over the set bits in ascending order, ``& | - ^ ~`` and
    their in-place forms (equal sizes only, else ValueError). ``len()`` is the number of bits, ``weight()`` the number of
    set ones, ``bool()`` is whether any is set. The methods have the names of the kernel's lib/bitmap.c; ``find_*`` return
    ``nbits`` when nothing is found. A bit outside ``0..nbits-1`` is an IndexError, a size outside 0..4096 a ValueError.
    ``str()`` is the kernel's list format ("0,2-7"), ``parse`` reads it. The buffer protocol gives the words themselves
    (format "Q", writable, no copy); the size never changes, so a view stays valid; bits that a view sets past ``nbits``
    are ignored, and cleared when the last view is released.

    Thread-safety
    -------------
    Each method but ``__init__`` and iteration is one step to other Python threads. Beside native threads that run without
    the GIL, ``set``, ``clear`` (relaxed), ``test_and_set`` and ``test_and_clear`` (seq_cst) are atomic and lose no update;
    ``test``, ``find_*``, ``weight``, iteration and other readers read each word once and may run beside those four.
    All others (ranges, ``zero``, ``fill``, in-place operators, ``out=``, writes through a buffer) need the bitmap to themselves.
    """

    def __cinit__(self, nbits, bits=None):
        cdef Py_ssize_t size = PyNumber_AsSsize_t(nbits, NULL)
        cdef void *memory = NULL
        if not 0 <= size <= BM_MAX_BITS:
            raise ValueError(f"a bitmap of {shown(nbits)} bits: expected 0..{BM_MAX_BITS}")
        cdef size_t room = (max(size, 1) + 511) // 512 * 64    # whole cache lines, so that no two bitmaps share one
        if posix_memalign(&memory, 64, room) != 0:
            raise MemoryError(f"no memory for a bitmap of {size} bits")
        memset(memory, 0, room)
        self.words = <uint64_t *>memory
        self.nbits = <unsigned>size

    def __init__(self, nbits, bits=None):
        if bits is not None:
            for bit in bits:
                bm_set(self.words, bit_number(bit, self.nbits))

    def __dealloc__(self):
        free(self.words)

    @classmethod
    def parse(cls, text, nbits):
        """The bitmap of *nbits* bits that *text*, in the kernel's list format, describes.

        "0,2-7"; "0-31:2/8" is the first 2 of each 8; "N" is the last bit; "all". Raises ValueError (ListFormatError, with
        the position) for any other text, for a bit >= *nbits* and for more than 65536 characters.
        """
        cdef Bitmap self = cls.__new__(cls, nbits)
        cdef unsigned at, last, used, group
        for region in _parse_regions(text, self.nbits):
            at = region.first
            last = region.last + 1    # one past, as "all" of 0 bits is 0..-1
            used = min(region.used, self.nbits)
            group = min(region.group, self.nbits)
            if used == group:
                bm_set_range(self.words, at, last - at)
                continue
            while at < last:
                bm_set_range(self.words, at, min(used, last - at))
                at += group
        return self

    @classmethod
    def from_bytes(cls, data, nbits):
        """The bitmap of *nbits* bits whose bit b is bit ``b % 8`` of byte ``b // 8`` of *data*; ValueError if the length is not that."""
        cdef Bitmap self = cls.__new__(cls, nbits)
        cdef bytes raw = bytes(data)
        cdef unsigned i, size = (self.nbits + 7) >> 3
        cdef const unsigned char *source = <const unsigned char *>PyBytes_AS_STRING(raw)
        if len(raw) != size:
            raise ValueError(f"{len(raw)} bytes for {self.nbits} bits: expected {size}")
        for i in range(size):
            self.words[i >> 3] |= <uint64_t>source[i] << ((i & 7) << 3)
        if self.nbits & 63 and self.words[self.nbits >> 6] & ~bm_last(self.nbits):
            raise ValueError(f"a bit past the last of {self.nbits} bits is set: expected 0")
        return self

    def to_bytes(self):
        """The bits as ``(nbits + 7) // 8`` bytes, little-endian: bit b is bit ``b % 8`` of byte ``b // 8``."""
        cdef unsigned i
        cdef uint64_t word
        cdef bytes raw = b""
        for i in range(bm_words(self.nbits)):
            word = mk_little_endian(bm_word(self.words, self.nbits, i))
            raw += PyBytes_FromStringAndSize(<char *>&word, 8)
        return raw[:(self.nbits + 7) >> 3]

    # ---- one bit ----

    def set(self, bit):
        """Set *bit*; atomic."""
        bm_set_atomic(self.words, bit_number(bit, self.nbits))

    def clear(self, bit):
        """Clear *bit*; atomic."""
        bm_clear_atomic(self.words, bit_number(bit, self.nbits))

    def test(self, bit):
        """Is *bit* set?"""
        return bool(bm_test(self.words, bit_number(bit, self.nbits)))

    def test_and_set(self, bit):
        """Set *bit* and return whether it was set; atomic, a full barrier."""
        return bool(bm_test_and_set_atomic(self.words, bit_number(bit, self.nbits)))

    def test_and_clear(self, bit):
        """Clear *bit* and return whether it was set; atomic, a full barrier."""
        return bool(bm_test_and_clear_atomic(self.words, bit_number(bit, self.nbits)))

    # ---- find ----

    def find_first(self):
        """The first set bit, else nbits."""
        return bm_find_first(self.words, self.nbits)

    def find_next(self, start):
        """The first set bit at or after *start*, else nbits."""
        return bm_find_next(self.words, self.nbits, start_number(start, self.nbits))

    def find_next_and(self, Bitmap other not None, start=0):
        """The first bit at or after *start* that is set here and in *other*, else nbits."""
        same_size(self, other)
        return bm_find_next_and(self.words, other.words, self.nbits, start_number(start, self.nbits))

    def find_next_andnot(self, Bitmap other not None, start=0):
        """The first bit at or after *start* that is set here and clear in *other*, else nbits."""
        same_size(self, other)
        return bm_find_next_andnot(self.words, other.words, self.nbits, start_number(start, self.nbits))

    def find_first_zero(self):
        """The first clear bit, else nbits."""
        return bm_find_first_zero(self.words, self.nbits)

    def find_next_zero(self, start):
        """The first clear bit at or after *start*, else nbits."""
        return bm_find_next_zero(self.words, self.nbits, start_number(start, self.nbits))

    def for_each_set_bit(self, start=0):
        """Iterate over the set bits from *start* on, ascending; each step looks at the bitmap as it is then."""
        cdef unsigned bit = bm_find_next(self.words, self.nbits, start_number(start, self.nbits))
        while bit < self.nbits:
            yield bit
            bit = bm_find_next(self.words, self.nbits, bit + 1)

    def __iter__(self):
        return self.for_each_set_bit()

    # ---- many bits ----

    def set_range(self, start, count):
        """Set the *count* bits from *start* on; IndexError, and nothing set, if they do not all exist."""
        check_range(start, count, self.nbits)
        bm_set_range(self.words, <unsigned>start, <unsigned>count)

    def clear_range(self, start, count):
        """Clear the *count* bits from *start* on; IndexError, and nothing cleared, if they do not all exist."""
        check_range(start, count, self.nbits)
        bm_clear_range(self.words, <unsigned>start, <unsigned>count)

    def zero(self):
        """Clear all bits."""
        bm_zero(self.words, self.nbits)

    def fill(self):
        """Set all bits."""
        bm_fill(self.words, self.nbits)

    def weight(self):
        """How many bits are set."""
        return bm_weight(self.words, self.nbits)

    def empty(self):
        """Is no bit set?"""
        return bool(bm_empty(self.words, self.nbits))

    def full(self):
        """Is no bit clear?"""
        return bool(bm_full(self.words, self.nbits))

    def and_(self, Bitmap other not None, Bitmap out=None):
        """``self & other``, in a new bitmap or in *out*, which is returned."""
        out = result(self, other, out)
        bm_and(out.words, self.words, other.words, self.nbits)
        return out

    def or_(self, Bitmap other not None, Bitmap out=None):
        """``self | other``, in a new bitmap or in *out*, which is returned."""
        out = result(self, other, out)
        bm_or(out.words, self.words, other.words, self.nbits)
        return out

    def andnot(self, Bitmap other not None, Bitmap out=None):
        """``self - other``, in a new bitmap or in *out*, which is returned."""
        out = result(self, other, out)
        bm_andnot(out.words, self.words, other.words, self.nbits)
        return out

    def xor(self, Bitmap other not None, Bitmap out=None):
        """``self ^ other``, in a new bitmap or in *out*, which is returned."""
        out = result(self, other, out)
        bm_xor(out.words, self.words, other.words, self.nbits)
        return out

    def complement(self):
        """A new bitmap of the bits that are clear here."""
        cdef Bitmap out = new_like(self)
        bm_complement(out.words, self.words, self.nbits)
        return out

    def __and__(self, other):
        return self.and_(other) if isinstance(other, Bitmap) else NotImplemented

    def __or__(self, other):
        return self.or_(other) if isinstance(other, Bitmap) else NotImplemented

    def __sub__(self, other):
        return self.andnot(other) if isinstance(other, Bitmap) else NotImplemented

    def __xor__(self, other):
        return self.xor(other) if isinstance(other, Bitmap) else NotImplemented

    def __invert__(self):
        return self.complement()

    def __iand__(self, other):
        return self.and_(other, self) if isinstance(other, Bitmap) else NotImplemented

    def __ior__(self, other):
        return self.or_(other, self) if isinstance(other, Bitmap) else NotImplemented

    def __isub__(self, other):
        return self.andnot(other, self) if isinstance(other, Bitmap) else NotImplemented

    def __ixor__(self, other):
        return self.xor(other, self) if isinstance(other, Bitmap) else NotImplemented

    def intersects(self, Bitmap other not None):
        """Is any bit set in both?"""
        same_size(self, other)
        return bool(bm_intersects(self.words, other.words, self.nbits))

    def subset(self, Bitmap other not None):
        """Is every bit that is set here set in *other* too?"""
        same_size(self, other)
        return bool(bm_subset(self.words, other.words, self.nbits))

    # ---- what every container has ----

    def __len__(self):
        return self.nbits

    def __bool__(self):
        return not bm_empty(self.words, self.nbits)

    def __contains__(self, bit):
        cdef Py_ssize_t value = PyNumber_AsSsize_t(bit, NULL)
        return 0 <= value < self.nbits and bm_test(self.words, <unsigned>value)

    def __eq__(self, other):
        if not isinstance(other, Bitmap):
            return NotImplemented
        return self.nbits == (<Bitmap>other).nbits and bool(bm_equal(self.words, (<Bitmap>other).words, self.nbits))

    __hash__ = None

    def copy(self):
        """A new bitmap with the same bits."""
        cdef Bitmap out = new_like(self)
        bm_copy(out.words, self.words, self.nbits)
        return out

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return _rebuild, (type(self), self.nbits, self.to_bytes())

    def __str__(self):
        cdef unsigned last, first = bm_find_first(self.words, self.nbits)
        runs = []
        while first < self.nbits:
            last = bm_find_next_zero(self.words, self.nbits, first + 1) - 1
            runs.append(f"{first}-{last}" if last > first else str(first))
            first = bm_find_next(self.words, self.nbits, last + 1)
        return ",".join(runs)

    def __repr__(self):
        return f"{type(self).__name__}.parse({str(self)!r}, {self.nbits})"

    def __getbuffer__(self, Py_buffer *view, int flags):
        self._shape[0] = bm_words(self.nbits)
        self._strides[0] = 8
        view.buf = self.words
        view.obj = self
        view.len = self._shape[0] * 8
        view.itemsize = 8
        view.readonly = 0
        view.ndim = 1
        view.format = FORMAT if flags & PyBUF_FORMAT else NULL
        view.shape = self._shape if flags & PyBUF_ND else NULL
        view.strides = self._strides if (flags & PyBUF_STRIDES) == PyBUF_STRIDES else NULL
        view.suboffsets = NULL
        view.internal = NULL
        self.views += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.views -= 1
        if self.views == 0 and self.nbits & 63:
            bm_and_relaxed(self.words + (self.nbits >> 6), bm_last(self.nbits))
