"""Histogram: latencies recorded natively, with a stated error. The C API is in hdr.pxd."""
cimport cython
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import operator as _operator
from fractions import Fraction as _Fraction

LIMIT = int(2) ** HDR_TOP   # in Python: a C int has 32 bits
RELATIVE_ERROR = 1.0 / (1 << HDR_BITS)

cdef object LARGEST = (1 << 64) - 1
QUANTILES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9}


cdef Histogram hdr_borrow(mk_hdr *h, object owner):
    """A Histogram over *h*, which *owner* keeps alive and does not move."""
    cdef Histogram self = Histogram.__new__(Histogram)
    free(self.h)
    self.h = h
    self.borrowed = True
    self.owner = owner
    return self


cdef uint64_t natural(object number, str what) except? 0xffffffffffffffff:
    """*number* as 64 unsigned bits; ValueError if it does not fit, TypeError if it is no int."""
    number = _operator.index(number)
    if not 0 <= number <= LARGEST:
        raise ValueError(f"{what} {number if number.bit_length() <= 256 else 'is far too large'}: expected 0..{LARGEST}")
    return <uint64_t>number


@cython.final
cdef class Histogram:
    """Counts of 64-bit values (latencies in ns) in 4608 buckets (36 KiB), after the HdrHistogram of Gil Tene.

    ``count``, ``min``, ``max`` and ``mean`` are exact. A percentile is never below the true one, and above it by 1/128
    (``RELATIVE_ERROR``, 0.79 %) of it at most; below 256 it is exact. Values from ``LIMIT`` (2**42 ns, 73 minutes) on share
    one bucket: a percentile that falls there is ``max``. Where nothing was recorded the answers are None.

    Thread-safety
    -------------
    One native thread may record into the C struct (``hdr_record``, no lock) while Python reads: each number is whole, and
    a percentile is one of the values recorded up to then, but the numbers may be a record apart. ``record``, ``merge`` and
    ``reset`` are writers: not while another thread records into the same histogram.
    """

    def __cinit__(self):
        self.h = <mk_hdr *>calloc(1, sizeof(mk_hdr))
        if self.h == NULL:
            raise MemoryError(f"no memory for a histogram of {sizeof(mk_hdr)} bytes")

    def __dealloc__(self):
        if not self.borrowed:
            free(self.h)

    def record(self, value):
        """Count *value*, an int in 0..2**64-1 (else ValueError)."""
        hdr_record(self.h, natural(value, "value"))

    def merge(self, Histogram other not None):
        """Add all that *other* has counted."""
        hdr_merge(self.h, other.h)

    def reset(self):
        """Forget everything."""
        memset(self.h, 0, sizeof(mk_hdr))

    @property
    def count(self):
        """How many values were recorded."""
        return hdr_read(&self.h.count)

    @property
    def sum(self):
        """The sum of all values, exact."""
        return (<object>hdr_read(&self.h.sum_high) << 64) + hdr_read(&self.h.sum_low)

    @property
    def min(self):
        """The smallest value, exact; None when empty."""
        return LARGEST - hdr_read(&self.h.below_min) if hdr_read(&self.h.count) else None

    @property
    def max(self):
        """The largest value, exact; None when empty."""
        return hdr_read(&self.h.max) if hdr_read(&self.h.count) else None

    @property
    def mean(self):
        """The mean, a float; None when empty."""
        count = self.count
        return self.sum / count if count else None

    def percentile(self, p):
        """The value that *p* per cent (0..100, else ValueError) of the values do not exceed: the nearest rank, no interpolation.

        It is the value of rank ``ceil(p / 100 * count)``, counted from 1, in ascending order, within the stated error; 0 is
        the minimum, 100 the maximum, both exact. *p* counts as the decimal that Python prints: 99.9 is 999/1000. None when empty.
        """
        if not 0 <= p <= 100:
            raise ValueError(f"percentile {p}: expected 0..100")
        cdef uint64_t total = 0, seen = 0, rank, highest
        cdef unsigned i
        for i in range(HDR_BUCKETS):    # not the count, which a writer may not have brought up to date yet
            total += hdr_read(&self.h.buckets[i])
        if total == 0:
            return None
        if p == 0:
            return self.min
        part = _Fraction(str(p)) * total / 100
        rank = -(-part.numerator // part.denominator)
        for i in range(HDR_BUCKETS - 1):
            seen += hdr_read(&self.h.buckets[i])
            if seen >= rank:
                highest = hdr_lowest(i + 1) - 1
                return min(highest, hdr_read(&self.h.max))
        return hdr_read(&self.h.max)

    def quantiles(self):
        """``{"count", "p50", "p90", "p99", "p99.9", "max"}``, as in the report; all but count are None when empty."""
        values = {name: self.percentile(p) for name, p in QUANTILES.items()}
        return {"count": self.count, **values, "max": self.max}

    def to_dict(self):
        """A dict for JSON: ``{"sum", "min", "max", "counts": {the lowest value of a bucket, as str: how many}}``, filled buckets only."""
        cdef unsigned i
        cdef uint64_t n
        counts = {}
        for i in range(HDR_BUCKETS):
            n = hdr_read(&self.h.buckets[i])
            if n:
                counts[str(hdr_lowest(i))] = n
        return {"sum": self.sum, "min": self.min, "max": self.max, "counts": counts}

    @classmethod
    def from_dict(cls, data):
        """The Histogram that ``to_dict`` described; ValueError that names what does not fit."""
        cdef Histogram self = Histogram()
        cdef uint64_t lowest, n
        missing = [key for key in ("sum", "min", "max", "counts") if key not in data]
        if missing:
            raise ValueError(f"a histogram without {', '.join(missing)}: expected sum, min, max, counts")
        for key, number in data["counts"].items():
            lowest, n = natural(int(key), "bucket"), natural(number, f"count of bucket {key}")
            if hdr_lowest(hdr_index(lowest)) != lowest:
                raise ValueError(f"bucket {key}: expected the lowest value of a bucket, such as {hdr_lowest(hdr_index(lowest))}")
            self.h.buckets[hdr_index(lowest)] += n
            self.h.count += n
        if self.h.count == 0:
            return self
        self.h.below_min = ~natural(data["min"], "min")
        self.h.max = natural(data["max"], "max")
        if hdr_index(self.h.max) != self._last() or hdr_index(~self.h.below_min) != self._first():
            raise ValueError(f"min {data['min']} and max {data['max']}: expected values of the first and the last filled bucket")
        total = _operator.index(data["sum"])
        if not self.count * data["min"] <= total <= self.count * data["max"]:
            raise ValueError(f"sum {total}: expected count * min .. count * max")
        self.h.sum_low = <uint64_t>(total & LARGEST)
        self.h.sum_high = <uint64_t>(total >> 64)
        return self

    def __reduce__(self):
        return Histogram.from_dict, (self.to_dict(),)

    def __len__(self):
        return self.count

    def __repr__(self):
        return f"<Histogram {', '.join(f'{name} {value}' for name, value in self.quantiles().items())}>"

    def _first(self):
        cdef unsigned i = 0
        while self.h.buckets[i] == 0:
            i += 1
        return i

    def _last(self):
        cdef unsigned i = HDR_BUCKETS - 1
        while self.h.buckets[i] == 0:
            i -= 1
        return i
