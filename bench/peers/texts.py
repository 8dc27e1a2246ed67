"""
What texts mean in a run, as src/stages/ has it: which prompts are alike (ROUGE-L), what of a completion is a prompt, what score
a judgement gives.
"""
from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

WORD = re.compile(r"[^\W]+|[^\s\w.,;:!?\"'()“”‘’«»…¿¡`]")
EQUAL = 1e-9


def words_of(text: str) -> list[str]:
    return WORD.findall(text.lower())


def fill(template: str, **slots: str) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: slots[found[1]], template)


class Known:
    """Prompts with an inverted index: ROUGE-L F1 is at most twice the common bag over both lengths, so few are compared."""

    def __init__(self, prompts: list[str]) -> None:
        self.prompts: list[list[str]] = []
        self.same: set[str] = set()
        self.postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for prompt in prompts:
            self.add(prompt)

    def add(self, prompt: str) -> None:
        words = words_of(prompt)
        for word, times in Counter(words).items():
            self.postings[word].append((len(self.prompts), times))
        self.prompts.append(words)
        self.same.add(" ".join(words))

    def has_near(self, prompt: str, threshold: float) -> bool:
        words = words_of(prompt)
        common: dict[int, int] = defaultdict(int)
        for word, times in Counter(words).items():
            for at, there in self.postings[word]:
                common[at] += min(times, there)
        lengths = {at: len(words) + len(self.prompts[at]) for at in common}
        return any(
            2 * overlap / lengths[at] + EQUAL >= threshold
            and 2 * lcs(words, self.prompts[at]) / lengths[at] + EQUAL >= threshold
            for at, overlap in common.items()
        )


def lcs(a: list[str], b: list[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def clean_prompt(completion: str, item: str) -> str:
    before, after = item.split("{{prompt}}")
    marks = ["\n", after.strip(), "" if "\n" in after else before.strip()]
    text = completion.lstrip()
    ends = [text.index(mark) for mark in marks if mark and mark in text]
    prompt = re.sub(r"^(?:\d+[.)]|[-*•])\s+", "", " ".join(text[: min([len(text), *ends])].split()))
    quoted = re.fullmatch(r"[\"“'`]([^\"“”'`]*)[\"”'`]", prompt)
    return quoted[1].strip() if quoted else prompt


def score_of(text: str, verdict: dict[str, Any]) -> float | None:
    """The score after the last marker of the judge's own words, or None."""
    marker = re.compile(r"(?<!\w)" + r"\s*".join(map(re.escape, verdict["marker"].split())), re.IGNORECASE)
    places = list(marker.finditer(text))
    if not places:
        return None
    rest = text[places[-1].end() :].lstrip()
    if verdict.get("words"):
        word = re.match(r"\w+", rest)
        return verdict["words"].get(word[0].lower()) if word else None
    number = re.match(r"-?\d+(\.\d+)?(?![\w.])", rest)
    score = float(number[0]) if number else None
    return score if score is not None and verdict["min"] <= score <= verdict["max"] else None
