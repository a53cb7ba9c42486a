"""Pictures of fitted people, without a display: overlays, turned views, panels, a static report."""

from .gate_sheet import Sheet, SheetEntry, write_sheet
from .images import write_image
from .marks import Marks
from .overlay import overlay, panel, shrink
from .points import draw_points
from .render import Renderer
from .report import write_report
from .report_entries import PersonEntry, PhotoEntry, Remark, Summary, Tone
from .scene import Figure
from .shade import PALETTE, person_colour
from .side import side_view

__all__ = [
    "PALETTE",
    "Figure",
    "Marks",
    "PersonEntry",
    "PhotoEntry",
    "Remark",
    "Renderer",
    "Sheet",
    "SheetEntry",
    "Summary",
    "Tone",
    "draw_points",
    "overlay",
    "panel",
    "person_colour",
    "shrink",
    "side_view",
    "write_image",
    "write_report",
    "write_sheet",
]
