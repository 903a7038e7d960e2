"""Synthetic home cages: one rodent in an infrared-like side view, with known behaviour.

No videos of mice in home cages with their annotations are public, so accuracy is measured on
these. They are drawn, not filmed. Behaviours differ as they do in life, by movement and by
posture: grooming, eating from the hands and sitting asleep share a posture, sniffing and walking
another, gnawing at the hopper and rearing under it a third, and only the movement tells them
apart.
"""

from i3d_bench.cages.behaviours import LABELS
from i3d_bench.cages.cages import Cages, write_cages
from i3d_bench.cages.errors import CagesError

__all__ = ["LABELS", "Cages", "CagesError", "write_cages"]
