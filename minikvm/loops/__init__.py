"""Built-in vCPU run loops, one file for each architecture. The steps themselves are in core/entry.pyx.

May import core and the plugins' base classes; nothing from live or above.
"""
