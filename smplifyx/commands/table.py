"""Which commands there are. Nothing is loaded here: `smplifyx --help` shows this table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    about: a sentence for the list of commands. more: what its own help says beside. options: the
    module of its schema and that schema's name. prints: its work is what it prints. file: the
    module that runs it, where it cannot have the command's name.
    """

    name: str
    about: str
    options: tuple[str, str]
    more: str = ""
    prints: bool = False
    file: str = ""

    @property
    def module(self) -> str:
        """The module, relative to the package, that runs it."""
        return f".commands.{self.file or self.name.replace('-', '_')}"


COMMANDS = (
    Command(
        name="fit",
        about="Fit bodies to a folder of keypoints.",
        options=(".jobs.job", "JobConfig"),
        more="Example: smplifyx fit KEYPOINTS --images PHOTOS --out OUT --overlay --report\n\n"
        "The same command again goes on where it was stopped.",
    ),
    Command(
        name="photo",
        about="Find people in photos or videos and fit bodies to them; needs extra [detect].",
        options=(".commands.options", "PhotoOptions"),
        more="Example: smplifyx photo PHOTOS --out OUT --task holistic_landmarker.task\n\n"
        "Draws overlays and writes a page with everybody: OUT/index.html. As predict and\n"
        "then fit with --start, whose options it does not have.",
    ),
    Command(
        name="predict",
        about="Find people in photos or videos, as keypoints to fit; needs the extra [detect].",
        options=(".commands.options", "PredictOptions"),
        more="Example: smplifyx predict PHOTOS --out KEYPOINTS --task holistic_landmarker.task\n\n"
        "Writes X_keypoints.json for each picture, in OpenPose's form, and beside it\n"
        "X.prediction.npz, what MediaPipe says of the people in 3D.",
    ),
    Command(
        name="track",
        about="Say who is who from frame to frame of a video's keypoints.",
        options=(".commands.options", "TrackOptions"),
        more="Example: smplifyx track KEYPOINTS --out OUT --fps 30\n\n"
        "Writes OUT/tracked_people.csv. Names that differ in the last number alone are\n"
        "frames of one clip; numbers left out are missing frames (docs/tracking.md).",
    ),
    Command(
        name="refine",
        about="Fit what a network predicted to keypoints, and print before and after.",
        options=(".commands.options", "RefineOptions"),
        more="Example: smplifyx refine hmr2_output/ --keypoints KEYPOINTS --out OUT\n\n"
        "As fit with --start. Before and after are compared on keypoints held out;\n"
        "where the prediction was nearer to them, it is the result. With --truth, in mm\n"
        "where 3D truth is known, too.",
    ),
    Command(
        name="convert",
        about="Convert people to another body model: SMPL-X, SMPL-H or SMPL of your own.",
        options=(".jobs.convert_options", "ConvertOptions"),
        more="Example: smplifyx convert OUT --model models/smplx --to OUT_SMPLX\n\n"
        "Each vertex keeps its place as well as the new body can; conversion.csv says how\n"
        "well. The same command again goes on where it was stopped.",
    ),
    Command(
        name="run",
        about="Run a job file: the options of fit, written down.",
        options=(".commands.options", "RunOptions"),
        more="Example: smplifyx run configs/demo.yaml",
    ),
    Command(
        name="render",
        about="Draw overlays, turned views and the report again from the results of a fit.",
        options=(".commands.options", "RenderOptions"),
    ),
    Command(
        name="gate",
        about="Say which fits are good enough to be kept, part by part, and why others are not.",
        options=(".commands.options", "GateOptions"),
        more="Example: smplifyx gate OUT --gate smplifyx --sheet\n\n"
        "Writes OUT/gates/NAME.csv. Gates: smplifyx (ours), camsmplify, eft, hmr2, i2l,\n"
        "spin, or your own .yaml (docs/gates.md).",
    ),
    Command(
        name="export",
        about="Write the people of a fit as a dataset that trainers read.",
        options=(".commands.options", "ExportOptions"),
        more="Example: smplifyx export OUT --format bedlam --to train.npz\n\n"
        "Formats: docs/exports.md. The same command again goes on where it was stopped.",
    ),
    Command(
        name="import",
        about="Make an output folder of the people of a dataset's file.",
        options=(".commands.options", "ImportOptions"),
        more="Example: smplifyx import train.npz --format bedlam --model MODELS --to OUT\n\n"
        "Then `smplifyx render OUT` draws them. Formats: docs/exports.md.",
        file="import_people",
    ),
    Command(
        name="presets",
        about="List the presets: ways of fitting that --preset names.",
        options=(".commands.options", "NoOptions"),
        prints=True,
    ),
    Command(
        name="train-prior",
        about="Train a body-pose prior from recordings; needs the extra [train].",
        options=(".training.options", "TrainOptions"),
        more="Example: smplifyx train-prior --data FOLDER --kind vposer --out my_vposer\n\n"
        "The same command again goes on where it was stopped.",
    ),
    Command(
        name="doctor",
        about="Say what this installation can do, what it lacks, and the command that mends it.",
        options=(".commands.options", "NoOptions"),
        prints=True,
    ),
)
