"""Work outside the caller's thread: threads that read ahead, processes that compute or draw, and
what a machine can bear.

Nothing here knows of people, bodies or jobs.
"""
