"""The commands, one file each, and what they share: plugin options, reading a file, exit codes.

The top floor: may import everything, and nothing imports it. A module imports what its command needs when it runs, so that --help is quick.
"""
