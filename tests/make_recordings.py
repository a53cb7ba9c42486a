"""Motion capture in the layouts that training reads: BVH with CMU's joints, AMASS in its two key
layouts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

TRUNK = {"abdomen": ("hip", (0, 2, 0)), "chest": ("abdomen", (0, 3, 0)), "neck": ("chest", (0, 4, 0)),
         "head": ("neck", (0, 2, 0))}  # fmt: skip
LIMBS = {"Thigh": ("hip", (2, -1, 0)), "Shin": ("Thigh", (0, -8, 0)), "Foot": ("Shin", (0, -8, 0)),
         "Collar": ("chest", (0.5, 3, 0)), "Shldr": ("Collar", (3, 0, 0)), "ForeArm": ("Shldr", (5.5, -0.8, 0)),
         "Hand": ("ForeArm", (5, -0.7, 0)), "Mid1": ("Hand", (2, -0.3, 0))}  # fmt: skip
# degrees: Z, X, Y of a raised left side
SWING = {"Thigh": (0, -25, 0), "Shin": (0, 35, 0), "Shldr": (-50, 0, 15)}


def _tree() -> dict[str, tuple[str, tuple[float, ...]]]:
    tree = dict(TRUNK)
    for side, sign in (("l", 1), ("r", -1)):
        for name, (parent, (x, y, z)) in LIMBS.items():
            tree[side + name] = (side + parent if parent in LIMBS else parent, (sign * x, y, z))
    return tree


def _block(name: str, offset: tuple[float, ...], order: list[str], depth: int = 1) -> str:
    """One joint and what hangs on it; `order` collects the names as the channels come."""
    order.append(name)
    head = f"JOINT {name}\n{{\nOFFSET {' '.join(map(str, offset))}\nCHANNELS 3 Zrotation Xrotation Yrotation\n"
    below = [
        _block(child, at, order, depth + 1)
        for child, (parent, at) in _tree().items()
        if parent == name
    ]
    return head + ("".join(below) or "End Site\n{\nOFFSET 1 0 0\n}\n") + "}\n"


def bvh_text(frames: int, seed: int) -> str:
    """Arms and legs that swing, a frame of T-pose first."""
    order: list[str] = []
    body = "".join(
        _block(name, at, order) for name, (parent, at) in _tree().items() if parent == "hip"
    )
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation"
    generator, rows = np.random.default_rng(seed), [np.zeros(6 + 3 * len(order))]
    for _ in range(frames):
        row = np.zeros(6 + 3 * len(order))
        for at, name in enumerate(order):
            swing, share = np.array(SWING.get(name[1:], (0, 0, 0))), generator.uniform(0.2, 1)
            mirrored = swing * (1, 1, 1) if name[0] == "l" else swing * (-1, 1, -1)
            row[6 + 3 * at : 9 + 3 * at] = share * mirrored
        rows.append(row)
    values = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in rows)
    return (
        f"HIERARCHY\nROOT hip\n{{\nOFFSET 0 0 0\n{channels}\n{body}}}\nMOTION\nFrames: {len(rows)}\n"
        f"Frame Time: 0.033333\n{values}\n"
    )


def write_bvh_folder(folder: Path, subjects: int = 3, frames: int = 40) -> Path:
    """SUBJECT_01.bvh for subjects 01, 02, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for subject in range(1, subjects + 1):
        (folder / f"{subject:02d}_01.bvh").write_text(bvh_text(frames, subject))
    return folder


def write_amass(path: Path, angles: np.ndarray, rate: float, layout: str) -> Path:
    """Root and body angles [T, 22, 3] as SMPL+H ("smplh"), or as SMPL-X ("smplx", "smplx_poses":
    `poses` alone).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flat, frames = angles.reshape(-1, 66), len(angles)
    common = {"trans": np.zeros((frames, 3)), "betas": np.zeros(16), "gender": np.array("neutral")}
    if layout == "smplh":
        arrays = {
            "poses": np.pad(flat, ((0, 0), (0, 90))),
            "mocap_framerate": rate,
            "dmpls": np.zeros((frames, 8)),
        }
    else:
        arrays = {
            "poses": np.pad(flat, ((0, 0), (0, 99))),
            "mocap_frame_rate": rate,
            "surface_model_type": "smplx",
        }
        if layout == "smplx":
            arrays |= {
                "root_orient": flat[:, :3],
                "pose_body": flat[:, 3:],
                "pose_hand": np.zeros((frames, 90)),
            }
    np.savez(path, **common, **arrays)
    return path


def swinging(frames: int, seed: int = 0, amount: float = 0.3) -> np.ndarray:
    """Root and body angles [T, 22, 3] that move smoothly."""
    generator = np.random.default_rng(seed)
    ends, share = generator.normal(0, amount, (2, 22, 3)), np.linspace(0, 1, frames)[:, None, None]
    return ends[0] + share * (ends[1] - ends[0])
