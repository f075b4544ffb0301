"""SIGKILL before and after each script call that writes: whatever is cut, the living finish it."""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from functools import cache, partial
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

import servers
from faults import lives
from faults.oracle import Oracle, judge
from faults.scale import scaled
from faults.tools import Where, unfinished
from life.tools import client_of, key_of, remove, snapshot
from processes import Child, Kill
from pynenc_redis_lua.consistency import check
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pynenc import Pynenc

KILLS = scaled(1, 20)
# What the living need to finish what the dead left.
CYCLES = 2
SEED = 20_261_126
# A repair calls the others: see the end.
WRITING = [
    name
    for name in library().names
    if not library().script(name).definition.read_only and not name.startswith("check/")
]
# Called where a component of the app is not ours, and by hand.
CHAIN = {
    "orchestrator/register",
    "orchestrator/set_status",
    "state/add_histories",
    "state/set_exception",
    "state/set_result",
    "state/upsert_invocations",
    "trigger/claim_run",
    "trigger/link_events",
    "trigger/record",
    "trigger/settle",
    "trigger/store_run",
}
# What can be made anew from records.
INDEXES = ("registered", "open", "expiring", "task_index", "concurrency", "index", "history_times")
REGISTERED = {"conditions", "condition_index", "triggers"}


@pytest.fixture
def prepare(where: Where, script: str, tmp_path: Path) -> Callable[[], Pynenc]:
    """Give the app that a script is called in."""
    return _preparations(where, tmp_path)[script in CHAIN]


def _preparations(where: Where, folder: Path) -> tuple[Callable[[], Pynenc], ...]:
    """Give the app of which all is ours, and the mixed one."""
    database = str(folder / "pynenc.db")
    return partial(lives.whole, where), partial(lives.mixed, where, database)


@pytest.fixture
def app(prepare: Callable[[], Pynenc]) -> Iterator[Pynenc]:
    app = prepare()
    yield app
    app.purge()
    remove(app)


@cache
def _calls() -> Counter[str]:
    """How often a life that nobody ends calls each script."""
    where = Where(servers.running(servers.names()[0]), f"lives {uuid.uuid4()}")
    calls: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for prepare in _preparations(where, Path(folder)):
            life = partial(lives.live, purge=True)
            of_life = Child(prepare, life, f"{folder}/oracle").result()
            calls.update({name: n for name, n in of_life.items() if name not in calls})
    return calls


def test_lives_call_every_script_that_writes() -> None:
    assert _calls().keys() >= set(WRITING)


@pytest.mark.parametrize("server", servers.names()[:1], indirect=True)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("script", WRITING)
def test_nothing_is_left_in_limbo(
    app: Pynenc,
    prepare: Callable[[], Pynenc],
    oracle: Oracle,
    figure: Callable[[str], None],
    script: str,
    after: bool,
) -> None:
    rng = Random(f"{SEED} {script} {after}")
    purges = script.endswith("/purge")
    life = partial(lives.live, purge=purges)
    for _ in range(KILLS):
        # A life makes a few calls more or less; the first one always.
        numbers = (rng.randint(1, _calls()[script]), 1)
        kills = (Kill(number, after, script=script) for number in numbers)
        assert any(Child(prepare, life, oracle.path, kill=kill).is_killed() for kill in kills)
        if purges:
            app.purge()
            # The purge registers the triggers of its process again.
            assert snapshot(app).keys() <= {"schema", *REGISTERED}
            continue
        for _cycle in range(CYCLES):
            lives.rescue(app)
        assert script in CHAIN or not unfinished(app)
        assert list(check(app.orchestrator.scripts)) == []
        verdict = judge(app, oracle, retention=True)
        if script in CHAIN:
            # What pynenc's chain leaves between two calls is not ours to finish.
            assert verdict.lost == []
        else:
            verdict.assert_clean()
            assert verdict.recovered_from.total() >= verdict.extra
    figure(
        f"{KILLS} kills before and {KILLS} after each of {len(WRITING)} scripts: all finished"
        f" within {CYCLES} cycles"
    )


@pytest.mark.parametrize("server", servers.names()[:1], indirect=True)
def test_a_repair_that_is_killed_is_finished_by_the_next(
    where: Where, oracle: Oracle, figure: Callable[[str], None]
) -> None:
    app = lives.whole(where)
    kills = 0
    for number in count(1, scaled(20, 1)):
        for after in (False, True):
            lives.Life(app, oracle.path).live()
            for name in INDEXES:
                client_of(app).delete(key_of(app, name))
            kill = Kill(number, after, writing=True)
            killed = Child(partial(lives.whole, where), lives.repair, kill=kill).is_killed()
            kills += killed
            lives.repair(app)
            assert list(check(app.orchestrator.scripts)) == []
            lives.rescue(app)
            judge(app, oracle, retention=True).assert_clean()
        if not killed:
            break
    app.purge()
    remove(app)
    assert kills > 5
    figure(f"{kills} kills of a repair: all finished by the next")
