"""Security questions: chosen, answered, asked, and asked of those who have none."""

import re

import pytest
from django.utils import timezone
from tests.portal.commands import Here
from tests.portal.methods.conftest import allow
from tests.portal.signed_in import sign_in
from tests.portal.walk import Page, Walker

from keyback.portal.limits.models import Counter
from keyback.portal.methods.questions import answers, catalogue
from keyback.portal.methods.questions.enrol import Chosen, put_on_file
from keyback.portal.organizations.models import Organization
from keyback.portal.organizations.setup import add_administrator
from keyback.portal.people.models import Person, Policy
from keyback.portal.securityinfo.models import OwnQuestion, RegisteredMethod

PATH = "/recover/questions/"
ADD = "/security-info/questions/"
CHOOSE = "What should your new password be?"
ASK = "What did you answer?"
WRONG = "Not all of that was right."
KEYS = list(catalogue.PREDEFINED)[:5]


def answer_to(key: str) -> str:
    return f"Die {key}"


@pytest.fixture
def answered(cleo: Person) -> dict[str, str]:
    """Question → Cleo's answer."""
    allow("email", "questions")
    offered = catalogue.offered(cleo.organization)
    put_on_file(cleo, [Chosen(key, answer_to(key)) for key in KEYS], offered, by="self", now=timezone.now())
    return {offered[key]: answer_to(key) for key in KEYS}


def to_questions(walker: Walker, user_id: str = "cleo@example.test") -> Page:
    page = walker.identify(user_id)
    return walker.post(f"{PATH}start", page.forms[f"{PATH}start"])


def asked(page: Page) -> list[str]:
    labels = re.findall(r'<label for="answer-\d">([^<]*)</label>', page.response.content.decode())
    return [label.replace("&#x27;", "'") for label in labels]


def answer(walker: Walker, page: Page, texts: list[str]) -> Page:
    return walker.post(PATH, page.forms[PATH] | {f"answer-{n}": text for n, text in enumerate(texts, 1)})


def test_three_of_five_are_asked_and_right_answers_open_the_gate(answered: dict[str, str], walker: Walker) -> None:
    page = to_questions(walker)
    assert page.heading == ASK
    assert len(asked(page)) == 3
    assert answer(walker, page, [answered[text] for text in asked(page)]).heading == CHOOSE
    assert walker.recovery().gates_opened == ["questions"]


@pytest.mark.parametrize("typed", ["  DIE   {0} ", "die {0}", "ＤＩＥ\u00a0{0}"])
def test_case_and_space_do_not_matter(answered: dict[str, str], walker: Walker, typed: str) -> None:
    page = to_questions(walker)
    texts = [typed.format(answered[text].removeprefix("Die ")) for text in asked(page)]
    assert answer(walker, page, texts).heading == CHOOSE


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_wrong_answer_opens_nothing_and_is_not_named(answered: dict[str, str], walker: Walker, which: int) -> None:
    page = to_questions(walker)
    texts = [answered[text] for text in asked(page)]
    texts[which] = "something else"
    page = answer(walker, page, texts)
    assert (page.status, WRONG in page.text) == (422, True)
    assert walker.recovery().gates_opened == []
    assert answer(walker, page, [answered[text] for text in asked(page)]).heading == CHOOSE


def test_a_wrong_answer_draws_the_questions_anew(answered: dict[str, str], walker: Walker) -> None:
    draws, page = [], to_questions(walker)
    for _ in range(12):
        Counter.objects.all().delete()
        draws.append(tuple(asked(page)))
        assert walker.get(PATH).response.content.count(b"<label") == 3
        assert asked(walker.get(PATH)) == asked(page)  # loading the page again draws nothing
        page = answer(walker, page, ["wrong"] * 3)
    assert len(set(draws)) > 1


def test_answers_to_a_draw_that_is_over_cost_nothing_and_open_nothing(answered: dict[str, str], walker: Walker) -> None:
    first = to_questions(walker)
    right = [answered[text] for text in asked(first)]
    answer(walker, first, ["wrong"] * 3)
    page = answer(walker, first, right)
    assert (page.status, page.heading) == (200, ASK)
    assert walker.recovery().gates_opened == []


def test_all_of_them_must_be_answered(answered: dict[str, str], walker: Walker) -> None:
    page = answer(walker, to_questions(walker), ["Die", " ", "Die"])
    assert "Answer all of them." in page.text
    assert walker.client.post(PATH, page.forms[PATH] | {"answer-9": "x"}).status_code == 400


def test_after_five_wrong_tries_the_right_answers_open_nothing(answered: dict[str, str], walker: Walker) -> None:
    page = to_questions(walker)
    for _ in range(5):
        page = answer(walker, page, ["wrong"] * 3)
    assert answer(walker, page, [answered[text] for text in asked(page)]).status == 429


def test_nobody_is_asked_the_same_questions_each_time_in_every_spelling(organization: Organization) -> None:
    allow("questions")
    seen: set[frozenset[str]] = set()
    everything: set[str] = set()
    for spelling in ("eve@example.test", "EVE@example.test", "corp\\eve", "eve"):
        walker = Walker()
        page = to_questions(walker, spelling)
        for _ in range(4):
            Counter.objects.all().delete()
            everything |= set(asked(page))
            seen.add(frozenset(asked(page)))
            page = answer(walker, page, ["wrong"] * 3)
    assert len(everything) <= 5
    assert len(seen) > 1
    assert everything <= set(map(str, catalogue.PREDEFINED.values()))
    others = {text for name in ("mallory", "trent") for text in asked(to_questions(Walker(), f"{name}@example.test"))}
    assert not others <= everything


def test_a_person_without_answers_is_asked_too_and_no_answer_is_right(cleo: Person, walker: Walker) -> None:
    allow("questions")
    page = to_questions(walker)
    assert len(asked(page)) == 3
    assert WRONG in answer(walker, page, ["nobody answered this"] * 3).text


def test_who_answered_fewer_than_are_asked_now_cannot_use_them(
    answered: dict[str, str], cleo: Person, walker: Walker
) -> None:
    from keyback.portal.methods.questions.method import METHOD

    assert METHOD.masks(cleo) == ["5 questions"]
    RegisteredMethod.objects.all().delete()
    offered = catalogue.offered(cleo.organization)
    put_on_file(cleo, [Chosen(key, answer_to(key)) for key in KEYS[:3]], offered, by="self", now=timezone.now())
    assert METHOD.masks(cleo) == ["3 questions"]
    Policy.objects.update(questions_asked=4)
    assert METHOD.masks(cleo) == []
    page = to_questions(walker)
    right = {offered[key]: answer_to(key) for key in KEYS}
    assert WRONG in answer(walker, page, [right[text] for text in asked(page)]).text
    assert walker.recovery().gates_opened == []


def test_answers_of_one_are_worth_nothing_for_another(answered: dict[str, str], cleo: Person) -> None:
    [row] = RegisteredMethod.objects.all()
    from keyback.portal.securityinfo.registered import on_file

    kept = on_file(cleo, "questions")[0].secret["answers"][0]["kept"]
    assert answers.right(cleo, KEYS[0], answer_to(KEYS[0]), kept)
    assert not answers.right(cleo, KEYS[1], answer_to(KEYS[0]), kept)
    other = Person(organization=cleo.organization)
    assert not answers.right(other, KEYS[0], answer_to(KEYS[0]), kept)
    assert kept.startswith("$argon2id$")
    assert "Die" not in row.sealed


def test_an_administrator_s_answers_open_no_gate(answered: dict[str, str], cleo: Person, walker: Walker) -> None:
    add_administrator(cleo.organization, "cleo", "cleo@example.test")
    page = to_questions(walker)
    answer(walker, page, [answered[text] for text in asked(page)])
    assert walker.recovery().gates_opened == []
    sign_in(other := Walker(), proved=["email"])
    assert "Your organization does not offer this way" in other.get(ADD).text


# --- choosing them


def choose(walker: Walker, page: Page, *chosen: tuple[str, str]) -> Page:
    fields = {f"question-{n}": key for n, (key, _) in enumerate(chosen, 1)}
    typed = {f"answer-{n}": text for n, (_, text) in enumerate(chosen, 1)}
    return walker.post(ADD, page.forms[ADD] | fields | typed)


GOOD = tuple((key, answer_to(key)) for key in KEYS)


@pytest.fixture
def adding(cleo: Person, walker: Walker) -> Page:
    allow("email", "questions")
    sign_in(walker, proved=["email"])
    return walker.get(ADD)


def test_five_questions_are_chosen_and_answered(adding: Page, walker: Walker, cleo: Person) -> None:
    assert choose(walker, adding, *GOOD).heading == "It is on file"
    other = Walker()
    page = to_questions(other)
    offered = {text: key for key, text in catalogue.offered(cleo.organization).items()}
    assert answer(other, page, [answer_to(offered[text]) for text in asked(page)]).heading == CHOOSE


def test_choosing_again_replaces_them(adding: Page, walker: Walker) -> None:
    choose(walker, adding, *GOOD)
    choose(walker, walker.get(ADD), *((key, f"new {key}") for key in KEYS))
    assert RegisteredMethod.objects.count() == 1


@pytest.mark.parametrize(
    ("place", "key", "text", "told"),
    [
        (2, KEYS[0], "An answer", "Choose each question once."),
        (2, "", "An answer", "Choose a question."),
        (2, "no-such-key", "An answer", "Choose a question."),
        (2, KEYS[2], f" {answer_to(KEYS[0]).upper()} ", "Give each answer once."),
        (2, KEYS[2], "ab", "An answer has 3 to 40 characters."),
        (2, KEYS[2], " a  b ".replace("b", ""), "An answer has 3 to 40 characters."),
        (2, KEYS[2], "x" * 41, "An answer has 3 to 40 characters."),
    ],
)
def test_a_mistake_is_named_and_the_choice_is_kept_but_no_answer(
    adding: Page, walker: Walker, place: int, key: str, text: str, told: str
) -> None:
    chosen = list(GOOD)
    chosen[place] = (key, text)
    page = choose(walker, adding, *chosen)
    assert (page.status, told in page.text) == (422, True)
    assert not RegisteredMethod.objects.exists()
    html = page.response.content.decode()
    assert f'<option value="{KEYS[0]}" selected>' in html
    assert answer_to(KEYS[0]) not in html


def test_as_many_are_asked_for_as_the_policy_says(adding: Page, walker: Walker) -> None:
    Policy.objects.update(questions_registered=3)
    page = walker.get(ADD)
    assert len([name for name in page.forms[ADD] if name.startswith("answer")]) == 3
    assert choose(walker, page, *GOOD[:3]).heading == "It is on file"


# --- the catalogue


def test_there_are_35_and_no_two_alike() -> None:
    assert len(catalogue.PREDEFINED) == 35
    assert len({str(text) for text in catalogue.PREDEFINED.values()}) == 35
    assert all(3 <= len(str(text)) <= 200 for text in catalogue.PREDEFINED.values())


def test_the_organization_adds_and_removes_its_own(here: Here, cleo: Person, walker: Walker) -> None:
    slug = cleo.organization.slug
    here.ok("security-info", "questions", "add", slug, "  What is  your staff number? ")
    [line] = here.lines("security-info", "questions", "list", slug)
    assert line["question"] == "What is your staff number?"
    allow("email", "questions")
    sign_in(walker, proved=["email"])
    page = choose(walker, walker.get(ADD), (line["id"], "4711-a"), *GOOD[1:])
    assert page.heading == "It is on file"
    here.ok("security-info", "questions", "remove", slug, line["id"])
    assert not OwnQuestion.objects.exists()
    seen: set[str] = set()
    page = to_questions(other := Walker())
    for _ in range(20):
        Counter.objects.all().delete()
        seen |= set(asked(page))
        page = answer(other, page, ["wrong"] * 3)
    assert "What is your staff number?" in seen


def test_twenty_of_its_own_are_the_most(here: Here, organization: Organization) -> None:
    for number in range(20):
        here.ok("security-info", "questions", "add", organization.slug, f"Question {number}?")
    assert "20 questions" in here.refused("security-info", "questions", "add", organization.slug, "One more?")


@pytest.mark.parametrize("text", ["ab", "x" * 201, "What was your first pet called?"])
def test_a_question_that_is_none_is_refused(here: Here, organization: Organization, text: str) -> None:
    here.refused("security-info", "questions", "add", organization.slug, text)
    assert not OwnQuestion.objects.exists()


def test_one_of_two_questions_alike_is_refused(here: Here, organization: Organization) -> None:
    here.ok("security-info", "questions", "add", organization.slug, "Staff number?")
    assert "already" in here.refused("security-info", "questions", "add", organization.slug, "STAFF NUMBER?")
