"""Strategies and run loops in kernel-style C: reading a file's declarations, compiling it, loading it.

What may live here: everything between a .c file that a user named and the capsule of an mk_strategy or mk_loop; ``runtime/`` is the C that
is linked to it, ``include/minikvm/kernel.h`` what the file sees. Imports: kinds, pluginload, core. Nothing here is imported before a C file
is named.
"""
