"""KOD I and KOD II on the paper: the square, its caption, its link as text. Source: protocol §13."""

import itertools

import qrcode
from qrcode.constants import ERROR_CORRECT_L, ERROR_CORRECT_M
from qrcode.exceptions import DataOverflowError

from gateway.render.blocks import Block, Code, Codes
from gateway.render.marks import Marks

OFFLINE, CERTIFICATE = "OFFLINE", "CERTYFIKAT"


def codes_of(marks: Marks) -> list[Block]:
    """The codes that the document carries; none at all gives no block."""
    codes = []
    if marks.kod1_url:
        purpose = "Zeskanuj kod lub otwórz link, aby sprawdzić, czy faktura znajduje się w Krajowym Systemie e-Faktur."
        codes.append(Code("KOD I", marks.kod1_url, marks.ksef_number or OFFLINE, purpose))
    if marks.kod2_url:
        purpose = "Zeskanuj kod lub otwórz link, aby sprawdzić tożsamość wystawcy faktury."
        codes.append(Code("KOD II", marks.kod2_url, CERTIFICATE, purpose))
    return [Codes(tuple(codes))] if codes else []


def qr_svg(text: str) -> tuple[str, int]:
    """The code as one black path without quiet zone, and how many modules it has: correction level M, else L."""
    rows = _matrix(text)
    path: list[str] = []
    for y, row in enumerate(rows):
        x = 0
        for dark, run in itertools.groupby(row):
            length = len(list(run))
            if dark:
                path.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    side = len(rows)
    shape = f'<path d="{"".join(path)}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">{shape}</svg>', side


def _matrix(text: str) -> list[list[bool]]:
    """The modules, row by row. ValueError when the link is too long for any code."""
    for level in (ERROR_CORRECT_M, ERROR_CORRECT_L):
        code = qrcode.QRCode(error_correction=level, border=0)
        code.add_data(text, optimize=0)
        try:
            code.make(fit=True)
        except (DataOverflowError, ValueError):
            continue
        matrix: list[list[bool]] = code.get_matrix()
        return matrix
    raise ValueError("the link is too long for a QR code")
