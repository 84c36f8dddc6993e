"""Built-in guest engines, one file each. May import core and the plugins' base classes."""
