"""What a case is."""


class Case:
    """A named check. `kinds` are the peers it needs; `prepare` runs before any case does."""

    def __init__(self, name, run, kinds, prepare=None):
        self.name = name
        self.run = run
        self.kinds = kinds
        self._prepare = prepare

    def prepare(self, world):
        if self._prepare:
            self._prepare(world)

    def skip_reason(self, world):
        """Why this machine cannot run it, or None."""
        return next((world.skipped[kind] for kind in self.kinds if kind in world.skipped), None)


def expect(condition, what, *seen):
    """AssertionError with `what` and what was seen instead, unless `condition` holds."""
    if not condition:
        raise AssertionError(" ".join([what, *(f"{value!r:.1500}" for value in seen)]))


def same(seen, wanted, what):
    expect(seen == wanted, f"{what}: wanted {wanted!r:.500}, got", seen)
