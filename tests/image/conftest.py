"""What image/ puts on the box is no package of ours: its programs are found as the box finds them."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "image"))
