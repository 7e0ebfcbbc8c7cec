"""The bench on a terminal: steps and progress by rich, questions on the standard input."""

import sys
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vigibip.workshop import ports, words
from vigibip.workshop.errors import StepError
from vigibip.workshop.job import Done, Job, Order
from vigibip.workshop.words import Question, Step

_YES = ("o", "oui", "y", "yes")
_LINE_MAX = 200


class Bench:
    """What one person sees and answers, in `language`. All of it on the standard error output.

    taken: the port of a receiver that is at work, None when there is none.
    """

    def __init__(self, language: str, taken: str | None = None) -> None:
        self._language = language
        self._taken = taken
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bars: Progress | None = None
        self._bar: TaskID | None = None

    def work(self, order: Order) -> Done | None:
        """Do one job, told as it goes; None when a step failed, which is explained."""
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        try:
            if not order.port:
                order = replace(order, port=ports.find(self._taken))
            with Progress(*columns, console=self._console) as self._bars:
                done = Job(order, self).run()
                self._finish()
        except StepError as error:
            self.explain(error)
            return None
        finally:
            self._bars = self._bar = None
        return done

    def step(self, step: Step) -> None:
        if self._bars is not None:
            self._finish()
            self._bar = self._bars.add_task(self.words(words.STEPS[step]), total=1.0)

    def progress(self, part: float) -> None:
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=part)

    def tell(self, question: Question) -> None:
        self.say(words.QUESTIONS[question])

    def ask(self, question: Question) -> bool:
        return (self._answer(f"{self.words(words.QUESTIONS[question])} ") or "").lower() in _YES

    def wait(self, text: str, **values: object) -> bool:
        """Ask for something and wait for Enter; return False when nobody is there any more."""
        return self._answer(f"{self.words(text, **values)} ") is not None

    def hash_of(self, name: str) -> str:
        return self._answer(f"SHA-256 ({name}) : ") or ""

    def say(self, text: str) -> None:
        self._console.print(self.words(text))

    def words(self, text: str, **values: object) -> str:
        return words.say(self._language, text, **values)

    def explain(self, error: StepError) -> None:
        """Tell what failed and what to do."""
        what, todo = words.CAUSES[error.cause]
        self._console.print(self.words(what), style="bold red")
        if error.detail:
            self._console.print(error.detail, style="dim")
        self._console.print(self.words(words.DO, todo=self.words(todo)))
        self.say(words.AGAIN)

    def _finish(self) -> None:
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=1.0)
            self._bars.stop_task(self._bar)

    def _answer(self, prompt: str) -> str | None:
        if self._bars is not None:
            self._bars.stop()
        try:
            self._console.print(prompt, end="")
            line = sys.stdin.readline(_LINE_MAX)
        finally:
            if self._bars is not None:
                self._bars.start()
        return line.strip() if line else None
