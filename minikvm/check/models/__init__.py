"""The built-in memory models, one file each: a predicate on execution graphs (check/model.pxd)."""
