"""A small "cat": sets and binary relations of numbered events, and what models are written with.

A relation over n events is n rows of bits: bit b of row a is the pair (a, b). A set is a relation inside the identity, as cat writes [S].
"""
from __future__ import annotations


class Rel:
    __slots__ = ("rows",)

    def __init__(self, rows):
        self.rows = tuple(rows)

    @classmethod
    def pairs(cls, n, pairs):
        rows = [0] * n
        for a, b in pairs:
            rows[a] |= 1 << b
        return cls(rows)

    @classmethod
    def diagonal(cls, n, members):
        """[S]"""
        return cls.pairs(n, ((a, a) for a in members))

    def __iter__(self):
        return ((a, b) for a, row in enumerate(self.rows) for b in range(len(self.rows)) if row >> b & 1)

    def __bool__(self):
        return any(self.rows)

    def __eq__(self, other):
        return self.rows == other.rows

    def __hash__(self):
        return hash(self.rows)

    def __or__(self, other):
        return Rel(a | b for a, b in zip(self.rows, other.rows, strict=True))

    def __and__(self, other):
        return Rel(a & b for a, b in zip(self.rows, other.rows, strict=True))

    def __sub__(self, other):
        return Rel(a & ~b for a, b in zip(self.rows, other.rows, strict=True))

    def __matmul__(self, other):
        """Sequence: a ; b"""
        theirs = other.rows
        rows = []
        for row in self.rows:
            result, left = 0, row
            while left:
                low = left & -left
                result |= theirs[low.bit_length() - 1]
                left ^= low
            rows.append(result)
        return Rel(rows)

    def inverse(self):
        return Rel.pairs(len(self.rows), ((b, a) for a, b in self))

    def identity(self):
        return Rel(1 << a for a in range(len(self.rows)))

    def optional(self):
        """r?"""
        return self | self.identity()

    def plus(self):
        """r+ (Warshall)"""
        rows = list(self.rows)
        for k in range(len(rows)):
            through, bit = rows[k], 1 << k
            if through:
                for a, row in enumerate(rows):
                    if row & bit:
                        rows[a] = row | through
        return Rel(rows)

    def star(self):
        """r*"""
        return self.plus().optional()

    def domain(self):
        return Rel(1 << a if row else 0 for a, row in enumerate(self.rows))

    def range(self):
        hit = 0
        for row in self.rows:
            hit |= row
        return Rel(hit & 1 << a for a in range(len(self.rows)))


def irreflexive(r):
    return not any(row >> a & 1 for a, row in enumerate(r.rows))


def acyclic(r):
    return irreflexive(r.plus())


def empty(r):
    return not r
