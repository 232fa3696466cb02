"""What the catcher keeps and shows."""

from notifications.catcher.mailbox import Mailbox

MAIL = b"Subject: =?utf-8?q?caf=C3=A9?=\r\nMessage-ID: <1@example.com>\r\n\r\nHello\r\n"


def test_the_newest_come_first_and_the_oldest_are_forgotten() -> None:
    mailbox = Mailbox(messages_max=2)
    for number in range(3):
        mailbox.put("shop@example.com", [f"{number}@example.com"], MAIL)

    assert [one.recipients for one in mailbox.find(None, 10)] == [("2@example.com",), ("1@example.com",)]
    assert len(mailbox) == 2


def test_a_recipient_finds_his_own_whatever_the_case() -> None:
    mailbox = Mailbox(messages_max=10)
    mailbox.put("shop@example.com", ["ann@example.com", "Bob@example.com"], MAIL)
    mailbox.put("shop@example.com", ["cid@example.com"], MAIL)

    assert [one.id for one in mailbox.find("bob@EXAMPLE.com", 10)] == [1]
    assert mailbox.find("dora@example.com", 10) == []


def test_at_most_the_limit_is_given() -> None:
    mailbox = Mailbox(messages_max=10)
    for _ in range(3):
        mailbox.put("shop@example.com", ["ann@example.com"], MAIL)

    assert [one.id for one in mailbox.find("ann@example.com", 2)] == [3, 2]


def test_a_mail_is_shown_decoded() -> None:
    shown = Mailbox(messages_max=1).put("shop@example.com", ["ann@example.com"], MAIL).rendered()

    assert (shown["subject"], shown["text"], shown["html"]) == ("café", "Hello\n", None)
    assert shown["message_id"] == shown["headers"]["message-id"] == "<1@example.com>"


def test_what_is_no_mail_at_all_is_shown_too() -> None:
    shown = Mailbox(messages_max=1).put("shop@example.com", ["ann@example.com"], b"\xff\xfe\x00").rendered()

    assert (shown["subject"], shown["message_id"]) == (None, None)
