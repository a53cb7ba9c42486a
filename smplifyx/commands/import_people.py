"""`smplifyx import`: the people of a dataset's file as an output folder."""

from __future__ import annotations

from ..config import FieldError
from ..jobs.importing import ImportRequest, import_people
from .bars import Bar
from .codes import DONE
from .options import ImportOptions
from .terminal import Terminal


def run(options: ImportOptions, terminal: Terminal) -> int:
    """Writes the results and says how many there are.

    Raises FieldError for a value that cannot be used, and as `import_people` does.
    """
    if not options.file.exists():
        raise FieldError("file", f"{options.file}: there is no such file or folder")
    request = ImportRequest(options.file, options.format, options.to, options.model, options.images)
    bar = Bar(options.quiet)
    bar.start(None, unit="person")
    try:
        people = import_people(request, bar.step)
    finally:
        bar.end()
    if not options.quiet:
        terminal.say(f"{people} people; see {options.to}")
    return DONE
