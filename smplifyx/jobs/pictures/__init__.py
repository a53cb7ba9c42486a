"""From results to what people look at: overlays, turned views and meshes, made in the background of
the fits; then the report.
"""

from .drawing import Drawing, count_frames, draw_all
from .films import write_films
from .frame_pictures import FramePictures, Wanted
from .report_pages import report

__all__ = [
    "Drawing",
    "FramePictures",
    "Wanted",
    "count_frames",
    "draw_all",
    "report",
    "write_films",
]
