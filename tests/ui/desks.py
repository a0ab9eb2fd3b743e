"""A desk for tests of widgets: it answers from a table, at once or when it is told to."""

from outfitswap_desktop.engine.messages import Problem


class FakeDesk:
    """`answers` maps a request's class to a value, or to a function of the request; a Problem goes to `failed`."""

    def __init__(self, answers=None, *, waits=False):
        self.answers = dict(answers or {})
        self.asked = []
        self.waits = waits
        self._waiting = []

    def ask(self, request, answered, failed=None, progressed=None, *, key=""):
        self.asked.append(request)
        self._waiting.append((request, answered, failed))
        if not self.waits:
            self.go_on()
        return len(self.asked)

    def cancel(self, _number):
        return None

    def go_on(self):
        """Answer all that waits."""
        waiting, self._waiting = self._waiting, []
        for request, answered, failed in waiting:
            answer = self.answers.get(type(request))
            if callable(answer):
                answer = answer(request)
            if isinstance(answer, Problem):
                if failed is not None:
                    failed(answer)
            elif answer is not None:
                answered(answer)
