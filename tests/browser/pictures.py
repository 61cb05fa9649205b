"""`python -m tests.browser.pictures docs/manual/pictures`: the manual's pictures, taken while the tests walk by."""

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

MODULES = ("test_stories.py", "test_whole_stage.py", "test_sizes.py")
MOST_BYTES = 150_000
_COLOURS = 128


def main(directory: Path) -> int:
    """Run the tests that have a camera, then make every picture small; the tests' exit code."""
    directory.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).parent
    environment = os.environ | {"SLUZA_PICTURES": str(directory.resolve())}
    chosen = ["-k", "mouse or stage or supervision or 360 or 1280"]
    command = [sys.executable, "-m", "pytest", "-q", *chosen, *(str(here / module) for module in MODULES)]
    code = subprocess.run(command, env=environment, check=False).returncode
    for path in sorted(directory.glob("*.png")):
        shrink(path)
    return code


def shrink(path: Path) -> None:
    """A palette is enough for pages; fewer colours until the file is small."""
    picture = Image.open(path).convert("RGB")
    colours = _COLOURS
    while True:
        picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES or colours <= 16:
            return
        colours //= 2


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
