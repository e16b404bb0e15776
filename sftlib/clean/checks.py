"""What every record must satisfy, whatever format it came from."""

from sftlib.clean.reasons import Change, Reason
from sftlib.core.records import ROLES, Chat, Label, Labeled, Message, Record, Tagged, Unlabelled
from sftlib.core.tally import Drop


def mend(record: Record) -> tuple[Record, list[str]]:
    """Cut what follows the last answer: nothing can be learned from it."""
    if not isinstance(record, Chat) or not record.messages:
        return record, []
    messages = record.messages
    if messages[-1].role not in ("user", "tool"):
        return record, []
    while messages and messages[-1].role in ("user", "tool"):
        messages = messages[:-1]
    if not messages:
        return record, []
    return record._replace(messages=messages), [Change.UNANSWERED_TURN_CUT.value]


def fault(record: Record) -> Drop | None:
    """Why `record` cannot be learned from, or None."""
    if isinstance(record, Labeled):
        return text_fault(record.text, "the text") or label_fault(record.label)
    if isinstance(record, Unlabelled):
        return text_fault(record.text, "the text")
    if isinstance(record, Tagged):
        return text_fault(" ".join(record.words), "the sentence")
    for number, message in enumerate(record.messages, 1):
        if message.role not in ROLES:
            known = ", ".join(ROLES)
            found = message.role[:60]
            return Drop(Reason.UNKNOWN_ROLE, f"turn {number} is by {found!r}, not {known}")
        content = message.content
        if (content and not content.isspace() and "\0" not in content) or message.tool_calls:
            continue
        return text_fault(content, f"turn {number} ({message.role})")
    return order_fault(record.messages)


def label_fault(label: Label) -> Drop | None:
    names = label if isinstance(label, tuple) else (label,)
    texts = [name for name in names if isinstance(name, str)]
    return next(filter(None, (text_fault(name, "the label") for name in texts)), None)


def text_fault(text: str, what: str) -> Drop | None:
    if not text.strip():
        return Drop(Reason.EMPTY_TEXT, f"{what} is empty")
    if "\0" in text:
        return Drop(
            Reason.NUL_CHARACTER, f"{what} holds U+0000 at character {text.index(chr(0)) + 1}"
        )
    return None


# Who may speak after whom; a turn of the assistant that calls tools is followed by their results.
FOLLOWERS = {
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user",),
    "tool": ("assistant", "tool"),
}


def order_fault(messages: tuple[Message, ...]) -> Drop | None:
    """Turns are: system or not, then user and assistant by turns, the assistant last."""
    if "assistant" not in [message.role for message in messages]:
        return Drop(Reason.NO_ANSWER, "no turn of the assistant")
    expected: tuple[str, ...] = ("system", "user")
    for number, message in enumerate(messages, 1):
        if message.role not in expected:
            wanted = " or ".join(expected[-1:] if number == 1 else expected)
            return Drop(Reason.ROLE_ORDER, f"turn {number} is by {message.role}, expected {wanted}")
        expected = ("tool",) if message.tool_calls else FOLLOWERS[message.role]
    return None
