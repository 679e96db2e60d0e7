"""Whose work a platform means: by number, login, e-mail or name, and never by a guess."""

from collections.abc import Mapping

from grading.platforms import Label
from grading.roster import Person, Roster, Unknown, letters


def owner(
    platform: str,
    label: Label,
    roster: Roster,
    *,
    numbers: bool = True,
    participants: Mapping[str, Person] | None = None,
) -> tuple[Person, Label]:
    """Find the learner on the roster.

    Parameters
    ----------
    platform : str
    label : Label
    roster : Roster
    numbers : bool
        Whether the roster's numbers are Canvas's own.
    participants : mapping, optional
        Moodle's numbers of participants, which its grading worksheet lists.

    Returns
    -------
    person, label
        The label with what is known better now.

    Raises
    ------
    Unknown
        Where nobody, or more than one, may be meant.
    """
    if not roster.people:
        raise Unknown("the roster is empty: enter the class first")
    if platform == "plain":
        return _plain(label, roster)
    if platform == "sakai":
        return _one(roster.by_login(label.login), f"the id {label.login}", "use ids"), label
    if platform == "blackboard":
        return _by_ending(label, roster), label
    if platform == "canvas":
        return _canvas(label, roster, numbers), label
    if participants and label.number in participants:
        return participants[label.number], label
    return _by_name(label, roster), label


HIDDEN = {"participant", "teilnehmerin", "teilnehmer", "participante", "partecipante", "deelnemer"}
"""What Moodle calls everyone where submissions are anonymous."""


def _one(found: list[Person], what: str, advice: str) -> Person:
    if not found:
        raise Unknown(f"nobody on the roster has {what}")
    if len(found) > 1:
        ids = ", ".join(person.id for person in found)
        raise Unknown(f"several on the roster have {what}: {ids}; {advice}")
    return found[0]


def _canvas(label: Label, roster: Roster, numbers: bool) -> Person:
    named = roster.by_name(label.name)
    if letters(label.name) == "anon" and not named:
        raise Unknown("Canvas hides who this is: switch anonymous grading off")
    advice = "enter Canvas's numbers as lms_user_id"
    if not numbers:
        return _one(named, f"the name {label.name}", advice)
    numbered = roster.by_number(label.number)
    if not numbered:
        # Of one name may be others, too: who has another number is somebody else.
        without = [person for person in named if not person.lms_user_id]
        what = f"the number {label.number}" + ("" if named else f" or the name {label.name}")
        if named and not without:
            what += f" ({named[0].id} has the name, and the number {named[0].lms_user_id})"
        return _one(without, what if not without else f"the name {label.name}", advice)
    person = _one(numbered, f"the number {label.number}", "correct the roster")
    if named and person not in named:
        raise Unknown(
            f"the number {label.number} is that of {person.id}, the name that of "
            f"{named[0].id}: correct the roster"
        )
    return person


def _by_name(label: Label, roster: Roster) -> Person:
    """Find by name; Moodle puts a group's before it."""
    if letters(label.name) in HIDDEN and not roster.by_name(label.name):
        raise Unknown("Moodle hides who this is: reveal the identities, then download again")
    pieces = label.name.split("-")
    for k in range(len(pieces)):
        found = roster.by_name("-".join(pieces[k:]))
        if len(found) > 1:
            found = [p for p in found if p.lms_user_id == label.number] or found
        if found:
            return _one(
                found, f"the name {label.name}", "Moodle's grading worksheet tells them apart"
            )
    bare = [p for p in roster.by_number(label.number) if not (p.first_name or p.last_name)]
    if not bare:
        bare = roster.by_login(label.name)
    return _one(bare, f"the name {label.name}", "correct the roster")


def _by_ending(label: Label, roster: Roster) -> Person:
    """Find by a login that has the assignment's name before it."""
    words = label.login.split("_")
    found: list[Person] = []
    for k in range(len(words)):
        found += [p for p in roster.by_login("_".join(words[k:])) if p not in found]
    return _one(found, f"a login that ends {label.login}", "rename the file")


def _plain(label: Label, roster: Roster) -> tuple[Person, Label]:
    """Find by the longest beginning that is an id, an e-mail, a number or a name."""
    text = label.prefix
    for end in [len(text), *(k for k in reversed(range(len(text))) if text[k] in "_-. ")]:
        found = roster.by_login(text[:end]) or roster.by_name(text[:end])
        if found:
            person = _one(found, f"the name {text[:end]}", "use ids")
            # "ada.ipynb" is a file of a name of its own.
            file = text if text[end : end + 1] == "." else text[end + 1 :]
            return person, label._replace(prefix=text[: end + 1], file=file)
    raise Unknown(f"nobody on the roster is {text}")
