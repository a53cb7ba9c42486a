"""`python -m smplifyx`."""

from .cli import main

main()
