"""What people are told when one of the two programs does not run. Pure."""

from enum import StrEnum


class Why(StrEnum):
    """Why a program does not run."""

    CONFIGURATION = "configuration"
    FAILING = "failing"


_WHAT = {
    "gateway": "Program przyjmujący (gateway) nie działa: faktury nie są przyjmowane, nikt nie pilnuje terminów.",
    "agent": "Program wysyłający (agent) nie działa: nic nie jest wysyłane do KSeF ani stamtąd odbierane.",
}
PROGRAMS = tuple(_WHAT)
_CURE = {
    Why.CONFIGURATION: (
        "Przyczyną jest konfiguracja. Program nie będzie uruchamiany, dopóki nie zostanie poprawiona: "
        "sluza check-config podaje pole, a po poprawce systemctl restart sluza."
    ),
    Why.FAILING: (
        "Przerywa pracę zaraz po starcie. Śluza uruchamia go co minutę; przyczyna jest w dzienniku "
        "/var/log/sluza/{program}.log, a stan podaje sluza status."
    ),
}


def subject(program: str) -> str:
    """The first clause, for a heading."""
    return f"Śluza: {_WHAT[program].partition(':')[0]}"


def sentences(program: str, why: Why) -> str:
    """What does not go on, and the cure."""
    return f"{_WHAT[program]}\n{_CURE[why].format(program=program)}\n"
