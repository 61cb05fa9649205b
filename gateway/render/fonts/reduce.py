"""Make the two font files in this folder from Debian's fonts-dejavu-core; run by hand, never at run time.

apt-get download fonts-dejavu-core && dpkg -x fonts-dejavu-core_*.deb x
python gateway/render/fonts/reduce.py x/usr/share/fonts/truetype/dejavu
"""

import json
import sys
from pathlib import Path

from fontTools import subset, ttLib

KEPT = (
    (0x20, 0x7F), (0xA0, 0x370),  # Latin with every European letter, combining marks
    (0x370, 0x530), (0x1E00, 0x1F00),  # Greek, Cyrillic, Latin additional (Vietnamese)
    (0x2010, 0x2028), (0x202F, 0x2060), (0x2070, 0x20C0),  # punctuation, super- and subscripts, currencies
    (0x2100, 0x2300),  # letter-like symbols, fractions, arrows, mathematical operators
    (0x25A0, 0x2600), (0x2610, 0x2618), (0x2713, 0x2719),  # squares, ticks
    (0xFB00, 0xFB07), (0xFFFD, 0xFFFE),  # ligatures that word processors leave behind
)  # fmt: skip


def reduce(source: Path, target: Path) -> None:
    """Keep the ranges above, drop hinting and layout tables, which the PDF does not use."""
    options = subset.Options(notdef_outline=True, recommended_glyphs=True, hinting=False, glyph_names=False)
    options.layout_features = []
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "kern", "FFTM"]
    font = ttLib.TTFont(source, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[c for start, end in KEPT for c in range(start, end)])
    subsetter.subset(font)
    font.save(target)


def advances(target: Path) -> dict[str, int]:
    """Advance width of every character of a reduced font, in units of 2048 to the em."""
    font = ttLib.TTFont(target)
    assert font["head"].unitsPerEm == 2048
    return {chr(code): font["hmtx"].metrics[name][0] for code, name in sorted(font.getBestCmap().items())}


if __name__ == "__main__":
    here = Path(__file__).parent
    files = {"regular": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
    for name in files.values():
        reduce(Path(sys.argv[1]) / name, here / name)
    found = {style: advances(here / name) for style, name in files.items()}
    (here / "advances.json").write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="ascii")
