"""The command `smplifyx`.

Nearly nothing is imported here: the rest comes while Ctrl-C is heard (`commands.stopping`), since
a command loads for seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .commands.stopping import Stopping

# Waiting threads of OpenMP sleep. Spinning ones make a fit twenty times slower on a busy machine.
# OpenMP reads this once, when torch loads it; this module is the command, and nothing imports it
# but who runs one. A user's own choice stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits with its code (`commands.codes`); what the user can mend is told in
    one line on stderr.

    `arguments`: sys.argv's by default.
    """
    stopping = Stopping()
    with stopping.heard():
        from .commands.dispatch import exit_code

        code = exit_code(sys.argv[1:] if arguments is None else list(arguments), stopping)
    sys.exit(code)
