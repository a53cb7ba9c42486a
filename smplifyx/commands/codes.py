"""What the exit codes of the command mean."""

from __future__ import annotations

DONE = 0
NOTHING_DONE = 1
BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
TERMINATED = 143  # 128 + SIGTERM
