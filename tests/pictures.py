"""Reading a PDF back as people do: its words with pdftotext, its QR codes with zbar."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def require_tools(*tools: str) -> None:
    """Skip without them; under CI they must be there."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI needs {', '.join(missing)} (apt: zbar-tools, poppler-utils)")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (apt: zbar-tools, poppler-utils)")


def codes_on(pdf: Path) -> list[str]:
    """What zbar finds on the pages at 150 dpi."""
    with TemporaryDirectory() as directory:
        subprocess.run(["pdftoppm", "-r", "150", "-png", str(pdf), f"{directory}/p"], check=True)
        found = []
        for image in sorted(Path(directory).glob("*.png")):
            command = ["zbarimg", "-q", "--raw", "-S*.enable=0", "-Sqrcode.enable=1", str(image)]
            found += subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return found


def text_of(pdf: Path) -> str:
    """The words of all pages."""
    return subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
