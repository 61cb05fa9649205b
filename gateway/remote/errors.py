"""Why nothing goes over the line now. Each carries a Polish sentence, the cure, and when another try makes sense."""


class LineError(Exception):
    """Base: the files wait, and it is tried again after `after_s` seconds."""

    def __init__(self, sentence: str, hint: str = "", after_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.after_s = after_s

    @property
    def text(self) -> str:
        """Sentence and cure on one line."""
        return f"{self.sentence} {self.hint}".strip()


class LineDownError(LineError):
    """The gateway cannot be reached, or the line broke in the middle."""


class BusyError(LineError):
    """The gateway answers, but takes nothing in now: full disk, closing, too many failures."""


class TokenRefusedError(LineError):
    """The token is unknown, revoked or expired, or its unit is not remote: a person must act."""


class SeatTakenError(LineError):
    """Another computer looks after this unit's folders."""


class RefusedError(LineError):
    """The gateway refuses this one thing; the line is in order. `status`, `code` and the whole `body` say why."""

    def __init__(self, status: int, body: dict[str, object], sha256: str = "") -> None:
        title = str(body.get("title") or f"Bramka odpowiedziała kodem {status}.")
        super().__init__(title, str(body.get("detail") or ""))
        self.status = status
        self.code = str(body.get("code") or "")
        self.body = body
        self.sha256 = sha256
