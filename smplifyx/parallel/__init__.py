"""Work beside the caller: threads that read ahead, processes that fit or draw, and what a machine
can bear.
"""
