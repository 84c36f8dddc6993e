"""Built-in IPI back ends, one file each, named as in a YAML file; a leading underscore is a helper of theirs.

Each brings an IPI to the thread that holds a slot, and lets a guest wait for one. May import core and the plugins' base classes; nothing
from strategies, live or above.
"""
