"""check: every interleaving under every memory model. Execution graphs, the explorer, memory models, properties, counterexamples.

What may live here: nothing that knows how a verdict is shown. Imports core, the kinds, config and the plugins' rooms; never live, report or cli.
"""
