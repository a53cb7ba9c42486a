"""Where a person's points will be: each moves on at its own speed, for a while, then the body's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

# seconds within which a limb gives up its own speed for the body's: half a swing of a step
LIMB_MEMORY = 0.15
SMOOTHING = 0.03  # seconds over which a detector's places are averaged
LARGEST_SURPRISE = 0.3  # statures that a point may be off and still tell of its speed
ALIKE = 0.25  # similarity from which what is seen is believed as it stands
SIZE_SHARE = 0.1  # of the stature in this frame in what is known of it


@dataclass(frozen=True, eq=False)
class Motion:
    """A person's body points when they were last seen.

    at: seconds. xy, velocity: pixels, and pixels a second. seen_at: seconds, when each point was
    last seen; -inf: never. stature: pixels.
    """

    at: float
    xy: Float[NDArray, "25 2"]
    velocity: Float[NDArray, "25 2"]
    seen_at: Float[NDArray, " 25"]
    stature: float

    @classmethod
    def begun(
        cls, at: float, xy: Float[NDArray, "25 2"], seen: Bool[NDArray, " 25"], stature: float
    ) -> Motion:
        """Of somebody who was never seen before, and of whose speed nothing is known."""
        return cls(at, xy, np.zeros_like(xy), np.where(seen, at, -np.inf), stature)

    @property
    def drift(self) -> Float[NDArray, " 2"]:
        """The speed of the body as a whole."""
        return np.median(self.velocity[np.isfinite(self.seen_at)], axis=0)

    @property
    def middle(self) -> Float[NDArray, " 2"]:
        """The middle of the points."""
        return np.median(self.xy[np.isfinite(self.seen_at)], axis=0)

    def predicted(self, at: float) -> Motion:
        """The same person at another time."""
        seconds = at - self.at
        left = np.exp(-seconds / LIMB_MEMORY)
        own = self.velocity - self.drift
        xy = self.xy + self.drift * seconds + own * LIMB_MEMORY * (1 - left)
        return Motion(at, xy, self.drift + own * left, self.seen_at, self.stature)

    def moved(self, shift: Float[NDArray, " 2"]) -> Motion:
        """Elsewhere in the picture, as fast as before."""
        return replace(self, xy=self.xy + shift)

    def turned(self, shift: Float[NDArray, " 2"], at: float) -> Motion:
        """Off by so many pixels at the time `at`, because the camera has begun to turn, and may go
        on.
        """
        seconds = at - self.at
        _, of_speed = _gains(seconds)
        speed = of_speed * shift / seconds
        # what the new speed makes of it by then is not to be added twice
        xy = self.xy + shift - speed * seconds
        return replace(self, xy=xy, velocity=self.velocity + speed)

    def corrected(
        self,
        at: float,
        xy: Float[NDArray, "25 2"],
        seen: Bool[NDArray, " 25"],
        stature: float,
        score: float = 1.0,
    ) -> Motion:
        """After the person was seen again: between what was predicted and what was seen.

        An alpha-beta filter; points that are unseen are taken along by the others. score: how like
        the two are, 0..1: a pose that is wrong as a whole must not take the track along.
        """
        then = self.predicted(at)
        seconds = at - self.at
        known = np.isfinite(self.seen_at)
        of_place, of_speed = _gains(seconds)
        belief = min(score / ALIKE, 1.0)
        of_place, of_speed = belief * of_place, belief * of_speed

        surprise = xy - then.xy
        both = known & seen
        common = np.median(surprise[both], axis=0) if both.any() else np.zeros(2)
        surprise = np.where(seen[:, None], surprise, common)
        largest = LARGEST_SURPRISE * self.stature
        told = surprise.clip(-largest, largest) if largest else surprise
        moved = then.xy + np.where(seen[:, None], of_place, 1.0) * surprise
        velocity = then.velocity + of_speed * told / seconds

        # a point that shows up has the body's speed, and is where it is seen
        new = seen & ~known
        moved = np.where(new[:, None], xy, moved)
        body_speed = self.drift + of_speed * common / seconds
        velocity = np.where(new[:, None], body_speed, velocity)
        return Motion(
            at=at,
            xy=moved,
            velocity=velocity,
            seen_at=np.where(seen, at, self.seen_at),
            stature=self._stature_with(stature),
        )

    def _stature_with(self, stature: float) -> float:
        if not stature or not self.stature:
            return stature or self.stature
        return (1 - SIZE_SHARE) * self.stature + SIZE_SHARE * stature


def _gains(seconds: float) -> tuple[float, float]:
    """What a surprise after so long counts for the place and for the speed (Benedict and Bordner
    1962).
    """
    of_place = float(1 - np.exp(-seconds / SMOOTHING))
    return of_place, of_place**2 / (2 - of_place)
