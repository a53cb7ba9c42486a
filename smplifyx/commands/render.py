"""`smplifyx render`: the pictures of an earlier fit again."""

from __future__ import annotations

from ..jobs.pictures import Wanted, count_frames, draw_all
from ..jobs.store import Store, read_record
from .bars import Bar
from .codes import DONE, NOTHING_DONE
from .fit import complain_of
from .options import RenderOptions
from .terminal import Terminal


def run(options: RenderOptions, terminal: Terminal) -> int:
    """Draws overlays, turned views and the report again; bad only if no picture could be made."""
    store = Store(options.out)
    wanted = Wanted(
        overlay=True, mesh=options.mesh, report=True, renderer=options.renderer, again=True
    )
    wanted.check()
    read_record(store)  # before anything is counted: is this an output folder at all
    bar = Bar(options.quiet)
    bar.start(count_frames(store), unit="picture")
    try:
        drawing = draw_all(store, wanted, bar.step)
    finally:
        bar.end()
    if not options.quiet:
        terminal.say(f"see {drawing.page}")
    if not drawing.failed:
        return DONE
    complain_of(drawing, store, terminal)
    return DONE if drawing.made else NOTHING_DONE
