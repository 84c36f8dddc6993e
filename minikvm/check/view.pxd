# cython: language_level=3
"""Execution graphs as Python objects."""
from minikvm.check.graph cimport mk_graph

cdef object graph_view(const mk_graph *g, tuple loc_names)
