"""Built-in request-dispatch strategies, one file each, named as in a YAML file; a leading underscore is a helper of theirs.

Each docstring says where the strategy comes from and when it is right. May import core and the plugins' base
classes; nothing from live or above.
"""
