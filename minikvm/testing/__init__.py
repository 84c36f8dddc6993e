"""The conformance kit and the pytest plugin that plugin authors use.

May import everything below the command line and the report's drawing; the tests of a plugin import it.
"""
