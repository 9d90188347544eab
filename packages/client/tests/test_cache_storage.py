"""The storages: their bounds, and what a disk may do to its files."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from levante.client import DiskStorage, MemoryStorage
from levante.client.cache import Entry, StoredHead
from levante.client.cache.disk import PART_AGE
from levante.client.cache.storage import MAX_VARIANTS

pytestmark = pytest.mark.parity("U24")
Storage = MemoryStorage | DiskStorage


def entry(body: bytes = b"body", variant: str = "", url: str = "u", fields: Any = ()) -> Entry:
    head = StoredHead(url, 200, "OK", fields, (("vary", variant),), True, 1.0, 2.0)
    return Entry(head, body)


def anything(_head: StoredHead) -> bool:
    return True


@pytest.fixture(params=["memory", "disk"])
def make(request, tmp_path: Path):
    def build(max_bytes: int = 10_000) -> Storage:
        return MemoryStorage(max_bytes) if request.param == "memory" else DiskStorage(tmp_path / "deep/er", max_bytes)

    return build


async def body_of(storage: Storage, key: str) -> bytes | None:
    found = await storage.find(key, anything)
    return None if found is None else found.body


async def test_put_find_remove(make) -> None:
    storage = make()
    assert await storage.find("a", anything) is None
    one, two = entry(b"1", "x", fields=(("A", "é"), ("A", "\udcff"))), entry(b"2", "y")
    await storage.put("a", one)
    await storage.put("a", two)
    await storage.put("b", entry(b"3"))
    assert await storage.find("a", lambda head: head.selecting == one.head.selecting) == one
    assert await storage.find("a", lambda head: head.selecting == two.head.selecting) == two
    assert await storage.find("a", lambda head: False) is None
    await storage.put("a", entry(b"new", "x"))
    assert (await storage.find("a", lambda head: head.selecting == one.head.selecting)).body == b"new"
    await storage.remove("a")
    await storage.remove("a")
    assert await storage.find("a", anything) is None
    assert await body_of(storage, "b") == b"3"
    await storage.remove("b")
    assert storage.size == 0


async def test_what_was_not_used_for_longest_goes_first(make) -> None:
    storage = make(13_000)
    for key in "abc":
        await storage.put(key, entry(b"x" * 3000))
    assert await body_of(storage, "a") is not None
    await storage.put("d", entry(b"x" * 3000))
    assert await body_of(storage, "a") is not None
    await storage.put("e", entry(b"x" * 3000))
    assert await body_of(storage, "b") is None
    assert storage.size <= 13_000
    await storage.put("huge", entry(b"x" * 13_000))
    assert await body_of(storage, "huge") is None
    assert await body_of(storage, "a") is not None, "it pushed nobody out"


async def test_variants_are_bounded(make) -> None:
    storage = make(1_000_000)
    for number in range(MAX_VARIANTS + 3):
        await storage.put("a", entry(b"%d" % number, str(number)))
    found = []
    for number in range(MAX_VARIANTS + 3):
        if await storage.find("a", lambda head, number=number: head.selecting == (("vary", str(number)),)):
            found.append(number)
    assert found == list(range(3, MAX_VARIANTS + 3))


@pytest.mark.parametrize("make_it", [MemoryStorage, lambda size: DiskStorage("x", size)])
def test_numbers_that_make_no_sense(make_it) -> None:
    with pytest.raises(ValueError, match="above 0"):
        make_it(0)


async def test_a_disk_remembers(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path / "c", 30_000)
    for number, key in enumerate(["../../etc/passwd", "CON", "a" * 5000]):
        await storage.put(key, entry(key.encode()[:10], url=key))
        assert len(list((tmp_path / "c").iterdir())) == number + 1
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "c").iterdir())
    assert all(len(path.name) == 65 for path in (tmp_path / "c").iterdir())
    again = DiskStorage(tmp_path / "c", 30_000)
    assert await body_of(again, "CON") == b"CON"
    assert await body_of(again, "../../etc/passwd") == b"../../etc/"
    assert again.size == sum(path.stat().st_size for path in (tmp_path / "c").iterdir())


async def test_what_cannot_be_read_exactly_is_not_there(tmp_path: Path, caplog) -> None:
    async def broken(change) -> None:
        storage = DiskStorage(tmp_path)
        await storage.put("a", entry())
        file = next(path for path in tmp_path.iterdir())
        change(file)
        assert await storage.find("a", anything) is None

    await broken(lambda file: file.write_bytes(file.read_bytes()[:-1]))
    assert list(tmp_path.iterdir()) == []
    await broken(lambda file: file.write_bytes(file.read_bytes() + b"x"))
    await broken(lambda file: file.write_bytes(b""))
    await broken(lambda file: file.write_bytes(b"\xff\xfe{"))
    await broken(lambda file: file.write_bytes(b'{"format": 2, "key": "a", "head": "{}", "digest": ""}\nbody'))
    assert list(tmp_path.iterdir()) == []
    await broken(lambda file: file.write_bytes(file.read_bytes().replace(b'"format": 2', b'"format": 1')))
    await broken(lambda file: file.write_bytes(file.read_bytes().replace(b"body", b"bode")))
    await broken(lambda file: file.write_bytes(bytes(file.stat().st_size)))
    await broken(lambda file: file.write_bytes(file.read_bytes().replace(b": 200", b": 201")))
    assert list(tmp_path.iterdir()) == []
    assert "is no entry" in caplog.text
    await broken(lambda file: file.unlink())
    await broken(lambda file: file.write_bytes(file.read_bytes().replace(b'"key": "a"', b'"key": "b"')))


async def test_no_bit_of_a_file_can_change_unseen(tmp_path: Path) -> None:
    good = entry(b"the body", url="http://h/")
    storage = DiskStorage(tmp_path)
    await storage.put("a", good)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        file.write_bytes(changed)
        assert await DiskStorage(tmp_path).find("a", anything) in (None, good)


async def test_what_another_process_takes_away_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await DiskStorage(tmp_path).put("a", entry())
    vanishing = tmp_path / "gone.part"
    vanishing.write_bytes(b"half")
    scan = os.scandir

    class Files(list[Any]):
        def __enter__(self) -> "Files":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def racing(folder: Path) -> Files:
        with scan(folder) as files:
            found = Files(files)
        vanishing.unlink()
        return found

    monkeypatch.setattr(os, "scandir", racing)
    assert await body_of(DiskStorage(tmp_path), "a") == b"body"


@pytest.mark.parametrize("moment", [float("inf"), float("nan"), -float("inf"), 10**400])
def test_no_time_at_all(moment: float) -> None:
    head = replace(entry().head, received_at=moment)
    with pytest.raises(ValueError, match="wrong type"):
        StoredHead.from_json(head.to_json())


async def test_entries_without_a_body_fill_it_too() -> None:
    storage = MemoryStorage(100_000)
    for number in range(1000):
        await storage.put(str(number), entry(b"", url="http://h/" + "x" * number))
    assert len(storage) < 100


async def test_other_keys_are_not_gone_through(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    for number in range(50):
        await storage.put(str(number), entry())
    again = DiskStorage(tmp_path)
    for known in (storage, again):
        assert await known.find("7", anything) == entry()
        assert len(known._names("7")) == 1
        await known.remove("7")
        assert (known._names("7"), len(known._variants), len(known._sizes or ())) == ([], 49, 49)
        await known.put("7", entry())


async def test_a_crash_leaves_nothing_that_stays(tmp_path: Path) -> None:
    old, young, other = tmp_path / "x.part", tmp_path / "y.part", tmp_path / "mine"
    for path in (old, young, other):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - PART_AGE - 10))
    storage = DiskStorage(tmp_path)
    assert await storage.find("a", anything) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "y.part"]
    assert storage.size == 0


async def test_a_disk_that_fails_fails_no_request(tmp_path: Path, caplog, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    storage = DiskStorage(tmp_path / "file")
    await storage.put("a", entry())
    assert await storage.find("a", anything) is None
    await storage.remove("a")
    assert caplog.text.count("cannot be") == 3

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    storage = DiskStorage(tmp_path / "c")
    monkeypatch.setattr("levante.client.cache.disk.replace_file", full)
    await storage.put("a", entry())
    assert "No space left" in caplog.text
    assert storage.size == 0


keys = st.sampled_from("abc")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.sampled_from("xy"), st.integers(0, 400)),
        st.tuples(st.just("find"), keys, st.sampled_from("xy"), st.just(0)),
        st.tuples(st.just("remove"), keys, st.just(""), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_it_is_a_dictionary_that_forgets(make, steps) -> None:
    storage, model = make(1500), {}
    for key in "abc":
        await storage.remove(key)
    for number, (step, key, variant, size) in enumerate(steps):
        if step == "put":
            body = b"%03d" % number + b"x" * size
            await storage.put(key, entry(body, variant))
            model[key, variant] = body
        elif step == "remove":
            await storage.remove(key)
            model = {place: body for place, body in model.items() if place[0] != key}
        else:
            found = await storage.find(key, lambda head, variant=variant: head.selecting == (("vary", variant),))
            assert found is None or found.body == model[key, variant]
        assert storage.size <= 1500
