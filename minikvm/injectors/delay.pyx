"""Nanoseconds at named points: races become likelier where windows become wider."""
from libc.math cimport log1p
from libc.stdint cimport uint64_t
from minikvm.core.native cimport injector_capsule
from minikvm.core.world cimport mk_ctx, mk_fires, mk_injector, mk_random_unit, mk_vcpu
from minikvm.injectors._table cimport InjectorTable, injector_table

import difflib
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from minikvm.injectors._table import POINT_NAMES
from minikvm.kinds import Injector
from minikvm.kinds import Options as BaseOptions

cdef enum:
    CONSTANT, UNIFORM, EXPONENTIAL

DISTRIBUTIONS = ("constant", "uniform", "exponential")


cdef inline uint64_t draw(mk_ctx *c, int distribution, double mean_ns) noexcept nogil:
    """How long, in nanoseconds: constant, uniform on 0..2 mean, or exponential (at most 37 means: the generator has 53 bits)."""
    if distribution == UNIFORM:
        return <uint64_t>(2 * mean_ns * mk_random_unit(c))
    if distribution == EXPONENTIAL:
        return <uint64_t>(-mean_ns * log1p(-mk_random_unit(c)))
    return <uint64_t>mean_ns


cdef int at(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject) except -1 nogil:
    if mk_fires(c, i):
        c.vm.machine.delay(c, draw(c, (<InjectorTable>i.self).option, (<InjectorTable>i.self).mean_ns))
    return 0


def known_point(name: str) -> str:
    """*name* itself; ValueError with the nearest known one when there is no such point."""
    if name in POINT_NAMES:
        return name
    near = difflib.get_close_matches(name, POINT_NAMES, 1, 0.5)
    hint = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(POINT_NAMES)}"
    raise ValueError(f"unknown point {name!r}: {hint}")


class Options(BaseOptions):
    """Where, and how long."""

    points: list[Annotated[str, AfterValidator(known_point)]] = Field(
        ["kick.cpu_read", "kick.made", "kick.mode", "entry.mode", "entry.last_check", "block.test"], min_length=1,
        description="Names of the points at which it strikes.")
    distribution: Literal["constant", "uniform", "exponential"] = Field("exponential", description="Of the delay.")
    mean_ns: float = Field(1000, ge=0, le=1e9, description="Mean delay in nanoseconds.")


class Delay(Injector):
    """Wait for some nanoseconds at named points of the kick path and of the run loop.

    Source: the practice of widening race windows with delays (Edelstein et al., "Framework for testing multi-threaded Java programs",
    2003; KCSAN's stalled accesses, Documentation/dev-tools/kcsan.rst, Linux v6.18).

    When it is right: for everything; a delay changes no order that is guaranteed. The checker ignores it. Cost: the time itself, while the
    thread keeps its pCPU, also with IRQs off.
    """

    name = "delay"
    benign = True
    points = POINT_NAMES
    probability = 0.05
    Options = Options

    def native(self):
        """The mk_injector capsule; its struct is the object's own."""
        cdef InjectorTable table = injector_table(self, at)
        table.option = DISTRIBUTIONS.index(self.options.distribution)
        table.mean_ns = self.options.mean_ns
        self._table = table
        return injector_capsule(&table.c)
