"""What the help pages say beside what the refusals mean: for people, and for those who look after accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

__all__ = ["FOR_ADMINISTRATORS", "FOR_PEOPLE", "Chapter", "Topic"]


@dataclass(frozen=True, slots=True)
class Topic:
    """``id`` is the fragment that links name. ``steps`` are in order; ``text`` stands before them."""

    id: str
    title: StrPromise
    text: tuple[StrPromise, ...]
    steps: tuple[StrPromise, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    title: StrPromise
    topics: tuple[Topic, ...]


FOR_PEOPLE = (
    Chapter(
        _("Getting back in"),
        (
            Topic(
                "forgot",
                _("I forgot my password"),
                (_("You can choose a new one yourself. It takes a few minutes."),),
                (
                    _("Type the user ID with which you sign in at work, usually your work e-mail address."),
                    _("Prove that it is you, in one or two ways that your organization allows."),
                    _("Choose a new password. The page shows the rules that apply to you."),
                    _("Sign in with the new password."),
                ),
            ),
            Topic(
                "unlock",
                _("I know my password but cannot sign in"),
                (
                    _(
                        "After several wrong passwords an account is locked for a while. Where your organization "
                        "allows "
                        "it, you can unlock it here and keep your password: say so when you are asked what is wrong."
                    ),
                    _(
                        "If it locks again soon, something still uses an old password: a phone that fetches your mail, "
                        "a second computer, a network drive."
                    ),
                ),
            ),
            Topic(
                "first",
                _("I never had a password"),
                (
                    _(
                        "Set your first one in the same way as a forgotten one: by a code to the phone or mailbox that "
                        "your organization has on file, or with a temporary access pass from your helpdesk."
                    ),
                ),
            ),
            Topic(
                "change",
                _("I want to change my password"),
                (
                    _(
                        "Sign in to your account page and choose “Change my password”. You need your current password. "
                        "If it has expired, or your administrator asked for a new one, you are led there by yourself."
                    ),
                ),
            ),
            Topic(
                "away",
                _("My computer still wants the old password"),
                (
                    _(
                        "A computer that is away from the office keeps the old password until it reaches your "
                        "organization's network. Sign in to it with the old one, connect (with VPN if you have it), "
                        "lock "
                        "the screen and unlock it with the new one."
                    ),
                    _("Phones and mail programs ask once: type the new password there."),
                ),
            ),
        ),
    ),
    Chapter(
        _("When something does not work"),
        (
            Topic(
                "no-code",
                _("No code arrives"),
                (
                    _(
                        "A code is sent only to what your organization has on file for you, and the page never says "
                        "what."
                    ),
                ),
                (
                    _("Look in the folders for spam, junk and deleted mail."),
                    _("Is the phone on, and does it have reception?"),
                    _("Wait ten seconds, then send it again. Only the newest code counts."),
                    _("Try another way, if there is one."),
                ),
            ),
            Topic(
                "blocked",
                _("There were too many tries"),
                (
                    _(
                        "To keep strangers out, each way of proving who you are closes after a few wrong tries. The "
                        "page "
                        "says until when. Another way stays open, and so does another device that you have used here "
                        "before. Your helpdesk can give you a temporary access pass."
                    ),
                ),
            ),
            Topic(
                "rules",
                _("My new password is not accepted"),
                (
                    _(
                        "The page names the rule. Some rules can only be checked in your organization's directory: "
                        "passwords that you had before, and how soon a new one may be chosen."
                    ),
                    _(
                        "Best is something long that only you would think of: four words that do not belong together "
                        "are "
                        "easier to remember and harder to guess than one word with digits."
                    ),
                ),
            ),
            Topic(
                "refused",
                _("I am told to contact my administrator"),
                (
                    _(
                        "Then something has to be put right that you cannot put right yourself. Copy the details at "
                        "the "
                        "foot of the page: with the support code your administrator finds what happened."
                    ),
                ),
            ),
            Topic(
                "not-me",
                _("I got a message, but it was not me"),
                (
                    _(
                        "If you got a code that you did not ask for: ignore it, and tell nobody. Nothing happens "
                        "without "
                        "it."
                    ),
                    _(
                        "If your password was changed and it was not you: follow the link in that mail at once. It "
                        "stops "
                        "further resets for a day and tells your administrators."
                    ),
                ),
            ),
        ),
    ),
    Chapter(
        _("Ways to prove that it is you"),
        (
            Topic(
                "email",
                _("A code by e-mail"),
                (
                    _(
                        "Use a mailbox that you can open without the password that you might forget, such as a private "
                        "one. You add it in your security info and confirm it with a code."
                    ),
                ),
            ),
            Topic(
                "phone",
                _("A text message or a call"),
                (
                    _(
                        "Before a code is sent you type your whole number, as a proof that you know it. A call says "
                        "the "
                        "code twice. Write numbers with the country code, such as +44 20 7946 0000."
                    ),
                ),
            ),
            Topic(
                "authenticator",
                _("An app that shows codes"),
                (
                    _(
                        "Any app for six-digit codes will do. In your security info, scan the picture with it and type "
                        "the code that it shows. It works without a network."
                    ),
                ),
            ),
            Topic(
                "passkey",
                _("A passkey"),
                (
                    _(
                        "Your phone, your computer or a security key proves that it is you, with your finger, your "
                        "face "
                        "or its PIN. Nobody can ask you for it on a false page."
                    ),
                ),
            ),
            Topic(
                "questions",
                _("Security questions"),
                (
                    _(
                        "Choose questions to which only you know the answers. Capital letters and spaces do not matter "
                        "when you answer."
                    ),
                ),
            ),
            Topic(
                "access-pass",
                _("A temporary access pass"),
                (
                    _(
                        "Your helpdesk makes one for you when you have nothing else. It is good for a short time, and "
                        "usually once."
                    ),
                ),
            ),
        ),
    ),
)

FOR_ADMINISTRATORS = (
    Chapter(
        _("What people report"),
        (
            Topic(
                "codes-do-not-arrive",
                _("Codes do not arrive"),
                (
                    _(
                        "“keyback messages” lists what waits and what was refused, and why. The code of a person for "
                        "whom "
                        "nothing is on file is never sent, and the page does not say so."
                    ),
                ),
            ),
            Topic(
                "nobody-is-found",
                _("A person exists, but is treated as unknown"),
                (
                    _(
                        "“keyback agent sync show USER” follows the chain from the directory's object to the person "
                        "and "
                        "names the link that is broken: filter, scope, disabled, a duplicate, a second forest."
                    ),
                ),
            ),
            Topic(
                "too-many-tries",
                _("Somebody is blocked"),
                (
                    _(
                        "Blocks close one way, for one client, never an account. “keyback limits list” shows them and "
                        "“keyback limits release” lifts them."
                    ),
                ),
            ),
            Topic(
                "rights",
                _("Resets fail for some people only"),
                (
                    _(
                        "Often they are, or were, in a protected group: adminCount is 1 and inheritance is broken. "
                        "“keyback agent check --readiness” lists everybody who cannot be reset, and why. Rights that "
                        "you "
                        "grant may take an hour to arrive at every controller."
                    ),
                ),
            ),
            Topic(
                "old-password",
                _("The old password still works"),
                (
                    _(
                        "For up to an hour a directory may accept the previous password for network sign-in, and a "
                        "computer away from the network keeps it until it is connected again. Neither is a failure."
                    ),
                ),
            ),
            Topic(
                "was-it-not-me",
                _("A person says that they did not reset their password"),
                (
                    _(
                        "Further resets of theirs are blocked for a day. Reset the password by hand, look at the audit "
                        "by the support code for address, time and proofs, and remove contact data that is not theirs."
                    ),
                ),
            ),
            Topic(
                "agent-out-of-date",
                _("An agent is refused as out of date"),
                (_("Portal and agents work together one version apart. Upgrade the agent's package."),),
            ),
        ),
    ),
)
