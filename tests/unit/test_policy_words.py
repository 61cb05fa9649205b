"""Every policy has Polish words."""

from spool.domain.policies import QUESTIONS
from spool.domain.policy_words import LABELS, answers
from spool.settings import LOCAL_RULE


def test_every_policy_is_named_in_polish() -> None:
    """Each question of the table and the rule about maintenance has a label, and each of its answers a sentence."""
    assert set(LABELS) == {*QUESTIONS, LOCAL_RULE}
    for question in QUESTIONS.values():
        assert not set(answers(question)) & set(question.values)
