"""The commands of `smplifyx`, one module each: `run(options, terminal)` gives the exit code.

A module loads what its command needs, so it is itself loaded only to run it (see `table`).
"""
