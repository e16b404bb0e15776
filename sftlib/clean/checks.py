"""What every record must satisfy, whatever format it came from."""

from sftlib.clean.reasons import Change, Reason
from sftlib.core.records import ROLES, Chat, Labeled, Record
from sftlib.core.tally import Drop


def mend(record: Record) -> tuple[Record, list[str]]:
    """Cut what follows the last answer: nothing can be learned from it."""
    if isinstance(record, Labeled):
        return record, []
    messages = record.messages
    while messages and messages[-1].role == "user":
        messages = messages[:-1]
    if messages == record.messages or not messages:
        return record, []
    return Chat(messages), [Change.UNANSWERED_TURN_CUT]


def fault(record: Record) -> Drop | None:
    """Why `record` cannot be learned from, or None."""
    if isinstance(record, Labeled):
        return text_fault(record.text, "the text") or text_fault(record.label, "the label")
    for number, message in enumerate(record.messages, 1):
        if message.role not in ROLES:
            found = message.role[:60]
            return Drop(
                Reason.UNKNOWN_ROLE, f"turn {number} is by {found!r}, not {', '.join(ROLES)}"
            )
        found_fault = text_fault(message.content, f"turn {number} ({message.role})")
        if found_fault:
            return found_fault
    return order_fault([message.role for message in record.messages])


def text_fault(text: str, what: str) -> Drop | None:
    if not text.strip():
        return Drop(Reason.EMPTY_TEXT, f"{what} is empty")
    if "\0" in text:
        return Drop(
            Reason.NUL_CHARACTER, f"{what} holds U+0000 at character {text.index(chr(0)) + 1}"
        )
    return None


def order_fault(roles: list[str]) -> Drop | None:
    """Turns are: system or not, then user and assistant by turns, the assistant last."""
    if "assistant" not in roles:
        return Drop(Reason.NO_ANSWER, "no turn of the assistant")
    turns = roles[1:] if roles[0] == "system" else roles
    for number, role in enumerate(turns):
        expected = ("user", "assistant")[number % 2]
        if role != expected:
            at = number + 1 + len(roles) - len(turns)
            return Drop(Reason.ROLE_ORDER, f"turn {at} is by {role}, expected {expected}")
    return None
