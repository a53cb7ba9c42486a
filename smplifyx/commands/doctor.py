"""`smplifyx doctor`: what this installation can do."""

from __future__ import annotations

from ..doctor import Health, examine
from .codes import DONE, NOTHING_DONE
from .options import NoOptions
from .terminal import Terminal


def run(_options: NoOptions, terminal: Terminal) -> int:
    """Prints a line for each finding; bad if something is broken."""
    findings = examine()
    for finding in findings:
        remedy = f"   -> {finding.mend}" if finding.mend else ""
        terminal.say(f"[{finding.health.value}] {finding.what}{remedy}")
    is_broken = any(finding.health is Health.BROKEN for finding in findings)
    return NOTHING_DONE if is_broken else DONE
