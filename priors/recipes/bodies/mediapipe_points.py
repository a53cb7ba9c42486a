"""Where MediaPipe looks: the points of the body that its pose landmarks and hands mean.

Mixtures as in `detected_points`, in the same spelling, and as complete: what is not listed is the
usual point. Measured (`priors.recipes.detectors.renders` and `.measure`) as the mean error in the
frame of a bone, of real people, whose bodies were fitted to OpenPose's points (30 in photos, and
one man before four cameras, whose face is blurred), and of 500 renders of our own body, whose
points are known. Millimetres below are from OpenPose's point, x outwards from the person's middle,
y up, z forward: real people / renders. A point moves where both move it the same way, and where
what is left falls in both halves of the photos and of the renders, with the exceptions that are
told.

Left where OpenPose looks, since the two contradict each other: shoulders (y -12 / 12), elbows (x 8
/ -18), knees (y -10 / 14), ankles (y 2 / 14: higher ones are worse in photos), wrists (10 / 2 along
the forearm). Also hips along z (0 / 20); along y renders tell 16 without clothes and -4 in trunks.
"""

from __future__ import annotations

Mixture = dict[str, float]
# parts that have a side get that of the point; spine1, head and nose have none
MEDIAPIPE_OF_A_SIDE: dict[str, Mixture] = {
    # OpenPose's to within 6 mm, but with one part in the middle, so that the neck has three
    "shoulder": {"shoulder": 0.95, "head": 0.05},
    # 13 mm behind the pupil and 5 below it (-6 and -8..-23 / -7 and -9): inside the eyeball
    "eye": {"eye": 0.87, "head": 0.13},
    # 17 mm farther in, 16 farther forward (-18 and 6 / -23 and 15): before the ear, on the cheek
    "ear": {"ear": 0.85, "nose": 0.15},
    # as OpenPose's
    "knee": {"knee": 0.95, "ankle": 0.05},
    "ankle": {"ankle": 0.98, "knee": 0.02},
    "wrist": {"wrist": 0.97, "middle_1": 0.03},
    # 8 mm farther towards the knuckles (12 / 7)
    "hand_wrist": {"hand_wrist": 0.87, "middle_1": 0.13},
    # 8 mm lower and 8 forward (-15..-26 and 5..11 / -9 and 12): on the sole, under the heel bone
    "heel": {"heel": 0.94, "big_toe": 0.06},
    # 11 mm lower, 5 out (-15..-25 and 4 / -8 and 7), 9 forward: between the toes, at their roots;
    # along the foot photos tell -14 +- 14, renders 21, and feet of pictures are a tenth longer
    "big_toe": {"big_toe": 0.77, "small_toe": 0.1, "heel": 0.13},
    # MediaPipe has none
    "small_toe": {"small_toe": 0.72, "big_toe": 0.05, "ankle": 0.23},
    # 11 mm along the thumb (8..13 / 7 out, -15 / -15 down): at the metacarpal, not at the wrist
    "thumb_1": {"thumb_1": 0.7, "thumb_2": 0.3},
    # 5 mm nearer (-7 / -5): in the middle of the nail's bone
    **{
        f"{finger}_4": {f"{finger}_4": 0.7, f"{finger}_3": 0.3}
        for finger in ("thumb", "index", "middle", "ring", "pinky")
    },
}
MEDIAPIPE_MIDDLE: dict[str, Mixture] = {
    # 19 mm behind the tip, where the mesh has it (-10..-23 / -12, of the tip)
    "nose": {"nose": 0.88, "head": 0.12},
    # 22 mm farther in (-24 / -22, in every set) and 13 lower (-32 / -4..16)
    "left_hip": {"left_hip": 0.94, "right_hip": 0.14, "spine1": -0.08},
    "right_hip": {"right_hip": 0.94, "left_hip": 0.14, "spine1": -0.08},
    # exactly the means of those above, as the layout has them
    "neck": {"left_shoulder": 0.475, "right_shoulder": 0.475, "head": 0.05},
    "mid_hip": {"left_hip": 0.54, "right_hip": 0.54, "spine1": -0.08},
}
