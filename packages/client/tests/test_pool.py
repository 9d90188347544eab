"""The accounts of the pool: plain data in, decisions out."""

import random
from dataclasses import dataclass

import pytest

from levante.client.origin import ConnectionKey
from levante.client.pool import Pool


@dataclass(eq=False)
class Link:
    alive: bool = True

    def is_reusable(self) -> bool:
        return self.alive


A = ConnectionKey("a", 80, False, True)
B = ConnectionKey("b", 80, False, True)


def make(limit: int = 0, limit_per_host: int = 0, keepalive: float = 10.0) -> Pool[Link, str]:
    return Pool(limit=limit, limit_per_host=limit_per_host, keepalive=keepalive)


def ask(pool: Pool[Link, str], key: ConnectionKey, waiter: str, now: float = 0.0) -> list[tuple[str, Link | None]]:
    pool.enqueue(key, waiter)
    return [(grant.waiter, grant.connection) for grant in pool.decide(now).grants]


def test_an_empty_pool_grants_the_right_to_dial() -> None:
    pool = make()
    assert ask(pool, A, "w") == [("w", None)]
    assert (pool.leased_count, pool.idle_count, pool.waiting) == (1, 0, False)
    assert repr(pool) == "<Pool leased=1 idle=0 waiting=0>"


@pytest.mark.parity("C10")
def test_a_returned_connection_is_taken_again_oldest_first() -> None:
    pool = make()
    first, second = Link(), Link()
    for _ in (first, second):
        ask(pool, A, "w")
    pool.release(A, first, 1.0)
    pool.release(A, second, 2.0)
    assert pool.take(A, 3.0) is first
    assert pool.take(A, 3.0) is second
    assert pool.take(A, 3.0) is None
    assert pool.take(B, 3.0) is None


@pytest.mark.parity("C10")
def test_expired_and_dead_connections_are_discarded_not_given() -> None:
    pool = make(keepalive=10.0)
    old, dead, good = Link(), Link(), Link()
    for _ in range(3):
        ask(pool, A, "w")
    pool.release(A, old, 0.0)
    pool.release(A, dead, 5.0)
    pool.release(A, good, 5.0)
    dead.alive = False
    assert pool.take(A, 11.0) is None
    decision = pool.decide(11.0)
    assert decision.discard == [old, dead]
    assert pool.take(A, 11.0) is good


@pytest.mark.parity("C10")
def test_limit_makes_wait_and_release_hands_over() -> None:
    pool = make(limit=1)
    assert ask(pool, A, "first") == [("first", None)]
    assert ask(pool, A, "second") == []
    assert pool.waiting
    connection = Link()
    pool.release(A, connection, 1.0)
    assert pool.take(A, 1.0) is None  # somebody waits: nobody overtakes
    grants = pool.decide(1.0).grants
    assert [(grant.waiter, grant.connection) for grant in grants] == [("second", connection)]
    assert pool.leased_count == 1


@pytest.mark.parity("C10")
def test_limit_per_host_counts_the_key_only() -> None:
    pool = make(limit_per_host=1)
    assert ask(pool, A, "a1") == [("a1", None)]
    assert ask(pool, A, "a2") == []
    assert ask(pool, B, "b1") == [("b1", None)]
    pool.release(A, None, 1.0)
    assert [grant.waiter for grant in pool.decide(1.0).grants] == ["a2"]


@pytest.mark.parity("C10")
def test_an_idle_connection_elsewhere_gives_up_its_place() -> None:
    pool = make(limit=2)
    idle = Link()
    ask(pool, A, "a")
    ask(pool, A, "a")
    pool.release(A, idle, 1.0)
    pool.enqueue(B, "b")
    decision = pool.decide(2.0)
    assert decision.discard == [idle]
    assert [grant.waiter for grant in decision.grants] == ["b"]
    assert pool.leased_count == 2


def test_at_the_host_limit_nobody_is_evicted_in_vain() -> None:
    pool = make(limit=3, limit_per_host=1)
    ask(pool, A, "a1")
    ask(pool, B, "b1")
    pool.release(B, Link(), 0.0)
    pool.enqueue(A, "a2")
    decision = pool.decide(0.0)
    assert not decision.discard
    assert not decision.grants


@pytest.mark.parity("C10")
def test_keys_take_turns() -> None:
    pool = make(limit=1)
    ask(pool, A, "a0")
    for waiter in ("a1", "a2", "a3"):
        ask(pool, A, waiter)
    ask(pool, B, "b1")
    order = []
    key = A
    for _ in range(4):
        pool.release(key, None, 0.0)
        (grant,) = pool.decide(0.0).grants
        order.append(grant.waiter)
        key = grant.key
    assert order == ["a1", "b1", "a2", "a3"]


def test_forget() -> None:
    pool = make(limit=1)
    ask(pool, A, "a0")
    ask(pool, A, "a1")
    ask(pool, A, "a2")
    assert pool.forget(A, "a1")
    assert not pool.forget(A, "a1")
    assert pool.forget(A, "a2")
    assert not pool.waiting
    assert not pool.forget(B, "nobody")


def test_drain_empties() -> None:
    pool = make(limit=1)
    idle = Link()
    ask(pool, A, "a")
    pool.release(A, idle, 0.0)
    ask(pool, B, "b")
    ask(pool, B, "c")
    assert pool.drain() == ([], ["c"])
    pool.release(B, idle, 0.0)
    assert pool.drain() == ([idle], [])
    assert pool.idle_count == 0


def test_the_accounts_never_drift() -> None:
    """Random events under random limits: never over a limit, everybody served, nothing lost."""
    rng = random.Random(2026)
    for _ in range(20):
        limit, per_host = rng.choice([0, 1, 3, 5]), rng.choice([0, 1, 2])
        pool = make(limit=limit, limit_per_host=per_host, keepalive=50.0)
        keys = [ConnectionKey(name, 80, False, True) for name in "abc"]
        held: list[tuple[ConnectionKey, Link]] = []
        asked = granted = 0
        for now in range(500):
            if rng.random() < 0.5:
                pool.enqueue(rng.choice(keys), f"w{asked}")
                asked += 1
            elif held:
                key, link = held.pop(rng.randrange(len(held)))
                pool.release(key, link if rng.random() < 0.7 else None, now)
            for grant in pool.decide(now).grants:
                granted += 1
                held.append((grant.key, grant.connection or Link()))
            assert pool.leased_count == len(held)
            assert not limit or pool.leased_count + pool.idle_count <= limit
            for key in keys:
                assert not per_host or sum(1 for other, _ in held if other == key) <= per_host
        while held:
            key, link = held.pop()
            pool.release(key, link, 500)
            for grant in pool.decide(500).grants:
                granted += 1
                held.append((grant.key, grant.connection or Link()))
        assert granted == asked
        assert not pool.waiting


# Connections that carry several leases at once.


def shared(pool: Pool[Link, str], key: ConnectionKey = A, *, capacity: int = 3) -> Link:
    """A connection that was dialled, and turns out to carry so many."""
    assert ask(pool, key, "first") == [("first", None)]
    link = Link()
    pool.share(key, link, capacity)
    return link


def test_a_shared_connection_is_leased_while_it_has_room_and_counts_once() -> None:
    pool = make(limit=1)
    link = shared(pool)
    assert pool.take(A, 1.0) is link
    assert ask(pool, A, "third") == [("third", link)]
    assert (pool.leased_count, pool.idle_count) == (1, 0)
    assert ask(pool, A, "fourth") == []
    assert pool.take(A, 1.0) is None
    pool.release(A, link, 2.0)
    assert [(grant.waiter, grant.connection) for grant in pool.decide(2.0).grants] == [("fourth", link)]
    for _ in range(3):
        pool.release(A, link, 3.0)
    assert (pool.leased_count, pool.idle_count) == (0, 1)
    assert pool.take(A, 4.0) is link
    assert pool.take(A, 4.0) is link
    assert (pool.leased_count, pool.idle_count) == (1, 0)


def test_sharing_lets_waiters_in_and_others_are_dialled_when_it_is_full() -> None:
    pool = make(limit=2)
    ask(pool, A, "first")
    ask(pool, A, "second")
    link = Link()
    pool.release(A, None, 0.0)
    for waiter in ("third", "fourth", "fifth", "sixth"):
        pool.enqueue(A, waiter)
    pool.share(A, link, 2)
    assert [(grant.waiter, grant.connection) for grant in pool.decide(0.0).grants] == [
        ("third", link),
        ("fourth", None),
    ]
    pool.share(A, link, 4)
    assert [(grant.waiter, grant.connection) for grant in pool.decide(0.0).grants] == [("fifth", link), ("sixth", link)]
    pool.share(A, link, 1)  # the peer allows less by now: nobody is thrown out, and nobody gets in
    assert ask(pool, A, "seventh") == []
    with pytest.raises(ValueError, match="capacity=0"):
        pool.share(A, link, 0)


def test_a_shared_connection_that_ends_gives_its_one_place_back_with_its_last_lease() -> None:
    pool = make(limit=1)
    link = shared(pool)
    assert pool.take(A, 1.0) is link
    link.alive = False
    assert pool.take(A, 1.0) is None
    assert ask(pool, A, "waiting") == []
    pool.lose(A, link)
    assert (pool.leased_count, pool.decide(1.0).grants) == (1, [])
    pool.lose(A, link)
    assert [(grant.waiter, grant.connection) for grant in pool.decide(1.0).grants] == [("waiting", None)]
    pool.release(A, None, 2.0)
    assert not pool._accounts


@pytest.mark.parametrize("end", ["expires", "is evicted", "is drained"])
def test_an_idle_connection_that_was_shared_is_forgotten(end: str) -> None:
    pool = make(limit=1)
    link = shared(pool)
    pool.release(A, link, 0.0)
    if end == "expires":
        assert pool.take(A, 11.0) is None
        assert pool.decide(11.0).discard == [link]
    elif end == "is evicted":
        pool.enqueue(B, "b")
        assert pool.decide(1.0).discard == [link]
        pool.release(B, None, 1.0)
    else:
        assert pool.drain() == ([link], [])
    assert not pool._accounts
    assert ask(pool, A, "again", 12.0) == [("again", None)]


def test_any_order_of_shared_leases_keeps_the_accounts() -> None:
    chance = random.Random(7)
    for _ in range(200):
        pool, held, queued = make(limit=3), [], 0
        links: dict[Link, int] = {}
        for step in range(60):
            if chance.random() < 0.6:
                pool.enqueue(chance.choice((A, B)), str(step))
                queued += 1
            elif held:
                key, link = held.pop(chance.randrange(len(held)))
                links[link] -= 1
                (pool.release(key, link, 0.0) if link.alive else pool.lose(key, link))
            if held and chance.random() < 0.05:
                held[0][1].alive = False
            decision = pool.decide(0.0)
            for link in decision.discard:
                assert links.pop(link) == 0
            for grant in decision.grants:
                link = grant.connection or Link()
                if grant.connection is None:
                    pool.share(grant.key, link, 2)
                links[link] = links.get(link, 0) + 1
                assert links[link] <= 2
                held.append((grant.key, link))
                queued -= 1
            used = {link for _, link in held}
            assert pool.leased_count == len(used) <= 3
            assert pool.leased_count + pool.idle_count <= 3
            assert pool.waiting is (queued > 0)
