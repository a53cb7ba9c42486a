"""How smplifyx is packed: the code, and in it the priors and presets as data-only packages."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "smplifyx/__init__.py").read_text(encoding="utf-8")
)[1]
README = ROOT / "README.md"

# >=1.26 and not >=2: mediapipe 0.10.21, which the extra [detect] may be, needs numpy 1.
CORE = [
    "torch>=2.4,<3",
    "numpy>=1.26,<3",
    "scipy>=1.11,<2",
    "opencv-python-headless>=4.8,<6",
    "trimesh>=4,<6",
    "roma>=1.5,<2",
    "jaxtyping>=0.2.36,<0.4",
    "pydantic>=2.7,<3",
    "PyYAML>=6,<7",
    'tomli>=2,<3; python_version < "3.11"',  # the standard library reads TOML from 3.11 on
    "Pillow>=10",
    "Jinja2>=3.1,<4",
    "tqdm>=4.65,<5",
]
EXTRAS = {
    "smplx": ["smplx>=0.1.28,<0.2"],
    "vposer": ["human-body-prior==0.8.5.0"],
    "render": ["pyrender==0.1.45"],
    # 0.10.21 brings its models; later ones need a file of them (`smplifyx predict --task`)
    "detect": ["mediapipe>=0.10.21,<2"],
    "heif": ["pillow-heif>=0.18"],
    "export": ["pyarrow>=14"],
    "train": ["scikit-learn>=1.4,<2", "matplotlib>=3.8,<4", "zuko>=1.2,<2"],
}
EXTRAS["all"] = sorted(requirement for extra in EXTRAS.values() for requirement in extra)
TOOLS = [
    "tyro>=1.0,<2",  # of the recipes that make the priors
    "pytest>=8",
    "pytest-xdist>=3.6",
    "ruff>=0.6",
    "pyright>=1.1.400",
    "beartype>=0.18",
    "setuptools>=77",
]
EXTRAS["dev"] = EXTRAS["smplx"] + EXTRAS["train"] + EXTRAS["export"] + TOOLS

setup(
    name="smplifyx",
    version=VERSION,
    description="2D keypoints of people in, expressive 3D people (SMPL-X) out; "
    "thousands per batch, CPU or GPU",
    long_description=README.read_text(encoding="utf-8") if README.is_file() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.10",
    install_requires=CORE,
    extras_require=EXTRAS,
    # Other distributions install top-level packages `priors` and `configs`: ours are inside.
    packages=find_packages(include=["smplifyx", "smplifyx.*"])
    + ["smplifyx.priors", "smplifyx.cfg_files"],
    package_dir={"smplifyx.priors": "priors", "smplifyx.cfg_files": "cfg_files"},
    package_data={
        "smplifyx": ["**/*.j2"],
        "smplifyx.priors": [
            f"{depth}*.{kind}" for depth in ("", "*/") for kind in ("npz", "npy", "yaml")
        ]
        + ["pose/vposer/*.yaml", "pose/vposer/snapshots/*.ckpt"],
        "smplifyx.cfg_files": ["*.yaml", "gates/*.yaml"],
    },
    exclude_package_data={"smplifyx.priors": ["recipes/*"]},
    include_package_data=False,
    entry_points={"console_scripts": ["smplifyx = smplifyx.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
