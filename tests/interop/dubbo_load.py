"""Load in the background of a case, and what is said of it afterwards."""

import itertools
from contextlib import contextmanager

from case import expect, same
from process import wait_until

_NAMES = itertools.count(1)


class Load:
    """Callers of a consumer that go on until stopped; each answer is counted by its provider's name."""

    def __init__(self, consumer, target, threads=8, **options):
        self._consumer = consumer
        self._name = f"load-{next(_NAMES)}"
        self._report = None
        consumer.ask("load_start", name=self._name, target=target, threads=threads, **options)

    def answers(self):
        """Answers so far, by provider."""
        return self._consumer.ask("load_snapshot", name=self._name)["answers"]

    def until(self, calls, provider=None):
        """Waits for so many more answers, of one provider or of any."""
        start = self._count(provider)
        wait_until(lambda: self._count(provider) >= start + calls, f"{calls} more answers of {provider or 'any'}", 30)

    def stop(self):
        """Ends it and returns the report: answers, failed, failures."""
        if self._report is None:
            self._report = self._consumer.ask("load_stop", name=self._name)
        return self._report

    def _count(self, provider):
        answers = self.answers()
        return answers.get(provider, 0) if provider else sum(answers.values())


@contextmanager
def load(consumer, target, **options):
    """A load for the length of a block."""
    running = Load(consumer, target, **options)
    try:
        yield running
    finally:
        running.stop()


def no_failures(report):
    expect(report["failed"] == 0, f"{report['failed']} calls failed, first of all:", report["failures"][:1])


def rpc_failure(failure, code_name):
    """The call ended in Dubbo's own exception with this code."""
    same(failure["class"], "org.apache.dubbo.rpc.RpcException", f"class of {failure}")
    same(failure["code_name"], code_name, f"code of {failure}")
