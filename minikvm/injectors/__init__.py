"""Built-in race injectors, one file each, named as in a YAML file; a leading underscore is a helper of theirs.

Each makes one rare thing happen at named points, through the machine. May import core and the plugins' base classes; nothing
from live or above.
"""
