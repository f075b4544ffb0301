"""page, count, task_page, matching_page: as a sorted list in Python would have it."""

from __future__ import annotations

from itertools import count as numbers
from typing import TYPE_CHECKING

import pytest

from lua.life import SECOND
from lua.model import LONG_AGO, STATUSES, TASK, Record, place
from lua.samples import HOSTILE
from pynenc_redis_lua.codec import pack, to_bytes, to_text
from pynenc_redis_lua.errors import WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

    from lua.life import Life
    from pynenc_redis_lua.scripts.api import Scripts

    type Key = Callable[[str], bytes]

TASKS = ("module.a", "module.aa", "module.b", "1:x")


def crowd(size: int = 150) -> dict[str, Record]:
    """Invocations of all tasks and statuses, several of which were registered at one time."""
    records = {}
    for number in range(size):
        # Multiples that walk through tasks, statuses and times at paces of their own.
        task = TASKS[number * 7 % 10 % len(TASKS)]
        status = STATUSES[number * 5 % 13]
        time = LONG_AGO + (number * 37 % 50) // 3 * SECOND
        records[f"inv-{number * 91 % size}"] = Record(status, task=task, registered_us=time)
    return records


CROWD = crowd()
CHOICES: list[tuple[str, ...]] = [
    (),
    ("registered",),
    ("running", "success"),
    ("retry", "unknown"),
    tuple(STATUSES[:7]),
    tuple(STATUSES),
]
choices = pytest.mark.parametrize("statuses", CHOICES, ids=lambda chosen: f"{len(chosen)} statuses")


def model(task: str, statuses: Sequence[str]) -> list[str]:
    """The newest registration first; of one time, the last id first."""
    found = [
        (record.registered_us, to_bytes(id_))
        for id_, record in CROWD.items()
        if task in {"", record.task} and (not statuses or record.status in statuses)
    ]
    return [to_text(id_) for _, id_ in sorted(found, reverse=True)]


@pytest.fixture
def crowded(scripts: Scripts, raw: Redis, key: Key) -> Scripts:
    place(raw, key, CROWD)
    return scripts


def page(
    scripts: Scripts, task: str, statuses: Sequence[str], offset: int = 0, count: int = 1000
) -> list[str]:
    reply = scripts.orchestrator_page(
        task=task, offset=offset, count=count, items=[(status,) for status in statuses]
    )
    return [to_text(id_) for id_ in reply.values[0]]


def count(scripts: Scripts, task: str, statuses: Sequence[str]) -> int:
    number: int = scripts.orchestrator_count(
        task=task, items=[(status,) for status in statuses]
    ).values[0]
    return number


def test_there_are_equal_times_and_every_task_and_status() -> None:
    assert len({record.registered_us for record in CROWD.values()}) < len(CROWD) / 5
    assert {record.task for record in CROWD.values()} == set(TASKS)
    assert {record.status for record in CROWD.values()} == set(STATUSES)


@choices
@pytest.mark.parametrize("task", ["", *TASKS, "none"])
def test_page_is_that_of_a_sorted_list(
    crowded: Scripts, task: str, statuses: tuple[str, ...]
) -> None:
    expected = model(task, statuses)
    assert page(crowded, task, statuses) == expected
    assert count(crowded, task, statuses) == len(expected)


@choices
@pytest.mark.parametrize("task", ["", "module.a"])
def test_any_offset_and_count(crowded: Scripts, task: str, statuses: tuple[str, ...]) -> None:
    expected = model(task, statuses)
    step = len(expected) // 12 + 1
    for offset in (*range(0, len(expected), step), max(len(expected) - 1, 0), len(expected)):
        size = offset % 7 + 1
        assert page(crowded, task, statuses, offset, size) == expected[offset : offset + size]


@pytest.mark.parametrize("task", ["", "module.a"])
def test_each_number_of_statuses(crowded: Scripts, task: str) -> None:
    for number in range(14):
        statuses = STATUSES[:number]
        assert page(crowded, task, statuses, 3, 20) == model(task, statuses)[3:23]


@pytest.mark.parametrize("task", ["", "module.a"])
def test_status_named_twice_counts_once(crowded: Scripts, task: str) -> None:
    expected = model(task, ["running"])
    assert page(crowded, task, ["running", "running"]) == expected
    assert count(crowded, task, ["running", "running"]) == len(expected)


def test_empty_app(scripts: Scripts) -> None:
    for task in ("", "module.a"):
        for statuses in CHOICES:
            assert page(scripts, task, statuses) == []
            assert count(scripts, task, statuses) == 0


def test_many_of_one_time(scripts: Scripts, raw: Redis, key: Key) -> None:
    ids = [f"inv-{number:04}" for number in range(300)]
    task = numbers()
    place(raw, key, {id_: Record("running", task=TASKS[next(task) % 3]) for id_ in ids})
    for offset in (0, 1, 149, 299, 300):
        expected = ids[::-1][offset : offset + 10]
        assert page(scripts, "", ["running"], offset, 10) == expected


def test_any_time_of_registration(scripts: Scripts, raw: Redis, key: Key) -> None:
    times = [0, 1, 9, 10, 10**15, 2 * 10**15, 2**52 - 1]
    place(raw, key, {f"{time}": Record("running", registered_us=time) for time in times})
    expected = [f"{time}" for time in reversed(times)]
    for offset in range(len(times)):
        assert page(scripts, "", ["running"], offset, 3) == expected[offset : offset + 3]


def test_hostile_tasks_and_ids(scripts: Scripts, raw: Redis, key: Key) -> None:
    ids = [f"{text}/{task}" for text in HOSTILE[:20] for task in HOSTILE]
    tasks = {id_: HOSTILE[number % len(HOSTILE)] for number, id_ in enumerate(ids)}
    place(raw, key, {id_: Record("running", task=task) for id_, task in tasks.items()})
    every = sorted(ids, key=to_bytes, reverse=True)
    assert page(scripts, "", ["running"], 100, 50) == every[100:150]
    for task in HOSTILE:
        expected = [id_ for id_ in every if tasks[id_] == task]
        assert page(scripts, task, []) == expected
        assert count(scripts, task, []) == len(expected)


@pytest.mark.parametrize("name", ["orchestrator/count", "orchestrator/page"])
def test_list_of_all_of_another_type_is_refused(
    scripts: Scripts, raw: Redis, key: Key, name: str
) -> None:
    raw.set(key("registered"), "somebody else's")
    arguments = {"offset": 0, "count": 10} if name.endswith("page") else {}
    with pytest.raises(WrongTypeError):
        scripts.call(name, task="", items=[], **arguments)


# task_page


def task_pages(
    scripts: Scripts,
    task: str,
    statuses: Sequence[str],
    size: int,
    between: Callable[[], None] = lambda: None,
) -> list[str]:
    found: list[bytes] = []
    while True:
        entries = scripts.orchestrator_task_page(
            task=task,
            after=found[-1] if found else b"",
            count=size,
            items=[(status,) for status in statuses],
        ).values[0]
        found += entries
        if len(entries) < size:
            return [entry[16:].decode() for entry in found]
        between()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("statuses", [(), ("running",), ("running", "success", "running")])
@pytest.mark.parametrize("task", TASKS)
def test_pages_of_a_task_hold_each_once_the_oldest_first(
    crowded: Scripts, task: str, statuses: tuple[str, ...], size: int
) -> None:
    expected = sorted(
        (record.registered_us, id_)
        for id_, record in CROWD.items()
        if record.task == task and (not statuses or record.status in statuses)
    )
    assert task_pages(crowded, task, statuses, size) == [id_ for _, id_ in expected]


def test_what_changes_between_two_pages_is_neither_missed_nor_repeated(life: Life) -> None:
    ids = [f"inv-{number}" for number in range(20)]
    life.submit(*ids)
    turn = iter(ids * 10)

    def change() -> None:
        # Of each that is looked at, the status sorts elsewhere than before.
        for _ in range(3):
            id_ = next(turn)
            if life.status(id_)[0] == "pending":
                life.send_back("rerouted", id_)
            else:
                life.commit(id_, "pending")

    assert task_pages(life.scripts, TASK, (), 2, change) == ids


# matching_page


def matching(
    scripts: Scripts,
    task: str,
    arguments: dict[str, str],
    statuses: Sequence[str] = (),
    size: int = 1000,
) -> list[str]:
    """All pages of the invocations of a task with some arguments."""
    first, *others = (pack("argument", task, name, text) for name, text in arguments.items())
    found: list[str] = []
    after = b""
    while True:
        ids, after = scripts.orchestrator_matching_page(
            prefix=first,
            others=pack(*others),
            after=after,
            count=size,
            items=[(status,) for status in statuses],
        ).values
        assert len(ids) <= size
        found += map(to_text, ids)
        if not after:
            return found


def with_arguments() -> dict[str, Record]:
    return {
        f"inv-{number:02}": Record(
            STATUSES[number % 13],
            task=TASKS[number % 2],
            digests=pack("x", number % 3, "y", number % 5, "z", number),
        )
        for number in range(60)
    }


ARGUED = with_arguments()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("statuses", [(), ("running",), tuple(STATUSES)], ids=len)
@pytest.mark.parametrize(
    "wanted",
    [{"x": 1}, {"x": 1, "y": 2}, {"y": 2, "x": 1, "z": 37}, {"x": 7}, {"w": 1}, {"x": 1, "y": 7}],
    ids=str,
)
def test_matching_are_those_with_all_the_arguments(
    scripts: Scripts,
    raw: Redis,
    key: Key,
    wanted: dict[str, int],
    statuses: tuple[str, ...],
    size: int,
) -> None:
    place(raw, key, ARGUED)
    arguments = {name: f"{number}" for name, number in wanted.items()}
    expected = [
        id_
        for number, (id_, record) in enumerate(ARGUED.items())
        if record.task == TASKS[1]
        and all(
            {"x": number % 3, "y": number % 5, "z": number}.get(n) == v for n, v in wanted.items()
        )
        and (not statuses or record.status in statuses)
    ]
    assert matching(scripts, TASKS[1], arguments, statuses, size) == expected


def test_matching_is_exact(scripts: Scripts, raw: Redis, key: Key) -> None:
    place(
        raw,
        key,
        {text: Record("running", digests=pack(text, text)) for text in HOSTILE},
    )
    for text in HOSTILE:
        assert matching(scripts, "module.function", {text: text}) == [text]
