"""Speed and accuracy tables: each module is a command that prints its protocol, inputs, machine and
result.
"""
