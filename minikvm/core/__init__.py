"""The ground floor: atomics, bitmaps, the vCPU table, requests, the kick path and the run loop's own steps.

What may live here: compiled modules that run without the GIL, allocate nothing and take no lock in the hot path, with a .pxd
(the public C API: plain structs and free functions) and a .pyi each. Imports nothing of minikvm from above.
"""
