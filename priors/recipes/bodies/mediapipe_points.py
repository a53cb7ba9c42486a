"""Where MediaPipe looks: the points of the body that its pose landmarks and hands mean.

Mixtures as in `detected_points`, in the same spelling; what is not listed is where OpenPose looks.
Measured as the mean error in the frame of a bone (`priors.recipes.detectors`):

* of people whose bodies were fitted to OpenPose's points: 30 in photos, and one man in 99 views,
  whose face is blurred (`measure`);
* of 500 renders of our own body, whose points are known (`renders`).

Numbers below are millimetres from OpenPose's point: photos / man / renders; x outwards from the
person's middle, y up, z forward. A point moves where people and renders move it the same way and
what is left falls in both halves of the photos and in the renders (eyes and the tips of ring and
little finger: in the odd half alone, the even one has 26 eyes and three tips each). The exception
are hips, see there.

Left where OpenPose looks, since people and renders contradict each other: shoulders (y -8 / -11 /
15), elbows (x 6 / 6 / -20), knees (y -3 / -12 / 16), ankles (y 6 / 0 / 14: higher ones are worse in
photos), wrists (12 / 11 / 2 along the forearm: no gain in photos). On people faces and hands lie on
OpenPose's to 1 mm, but points of trunk and limbs some 15 mm or more lower than renders tell; what
the difference comes from is not known.
"""

from __future__ import annotations

Mixture = dict[str, float]
# parts that have a side get that of the point; head and nose have none
MEDIAPIPE_OF_A_SIDE: dict[str, Mixture] = {
    # OpenPose's to within 6 mm, but with one part without a side, so that the neck has three
    "shoulder": {"shoulder": 0.95, "head": 0.05},
    # 5 mm below the pupil and 12 behind it (y -7 / blurred / -7, z -24 / blurred / -9)
    "eye": {"eye": 0.87, "head": 0.13},
    # 17 mm farther in and 16 forward: before the ear (x -15 / -25 / -23, z 3 / 31 / 15)
    "ear": {"ear": 0.85, "nose": 0.15},
    # 4 mm farther towards the knuckles than the joint (x 13 / not detected / 7, from 5 before it)
    "hand_wrist": {"hand_wrist": 0.956, "middle_1": 0.044},
    # on the sole, 8 mm lower and 6 forward (y -20 / -26 / -9, z -5 / 18 / 12)
    "heel": {"heel": 0.94, "big_toe": 0.06},
    # 11 mm lower, 5 farther out and 9 forward, between the toes (y -28 / -13 / -8, x 7 / 10 / 7);
    # z is -14 +- 15 / 0 / 21, but from ankle to toe MediaPipe's feet are a tenth too long without
    "big_toe": {"big_toe": 0.77, "small_toe": 0.1, "heel": 0.13},
    # 13 mm along the thumb's first bone (11, 0, 5 / not detected / 7, -15, 8)
    "thumb_1": {"thumb_1": 0.7, "thumb_2": 0.3},
    # the joints, where people and renders have them
    "thumb_2": {"thumb_2": 1.0},
    "thumb_3": {"thumb_3": 1.0},
    # 5 mm nearer, behind the nail (index: x -7 / not detected / -5)
    **{
        f"{finger}_4": {f"{finger}_4": 0.7, f"{finger}_3": 0.3}
        for finger in ("thumb", "index", "middle", "ring", "pinky")
    },
}
MEDIAPIPE_MIDDLE: dict[str, Mixture] = {
    # 15 mm behind the tip (z -27 / blurred / -12)
    "nose": {"nose": 0.88, "head": 0.12},
    # 22 mm farther in (x -25 / -9 / -22), and lower by 13 mm as people tell it, with less than they
    # do (y -31 / -31): renders tell 15 in a shirt and trousers, 3 in trunks, so clothes matter
    "left_hip": {"left_hip": 0.94, "right_hip": 0.14, "spine1": -0.08},
    "right_hip": {"right_hip": 0.94, "left_hip": 0.14, "spine1": -0.08},
    # exactly the means of those above, as the layout has them
    "neck": {"left_shoulder": 0.475, "right_shoulder": 0.475, "head": 0.05},
    "mid_hip": {"left_hip": 0.54, "right_hip": 0.54, "spine1": -0.08},
}
