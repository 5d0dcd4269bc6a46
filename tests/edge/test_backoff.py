from random import Random

from edge.backoff import JITTER, LONGEST, SHORTEST, STEADY, Backoff


class Middle(Random):
    """No jitter: the middle of each range."""

    def uniform(self, a, b):
        return (a + b) / 2


def test_waits_double_up_to_the_longest():
    backoff = Backoff(Middle())
    waits = [backoff.next_wait(was_up=0) for _ in range(10)]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 16, LONGEST, LONGEST, LONGEST]


def test_a_while_up_begins_anew_and_a_moment_does_not():
    backoff = Backoff(Middle())
    for _ in range(5):
        backoff.next_wait(was_up=0)
    assert backoff.next_wait(was_up=STEADY - 0.1) == 8
    assert backoff.next_wait(was_up=STEADY) == SHORTEST


def test_waits_differ_from_box_to_box_within_the_jitter():
    waits = [Backoff(Random(seed)).next_wait(was_up=0) for seed in range(100)]
    assert len(set(waits)) == 100
    assert all(SHORTEST * (1 - JITTER) <= wait <= SHORTEST * (1 + JITTER) for wait in waits)


def test_a_year_of_failures_is_no_overflow():
    backoff = Backoff(Middle(), failures=10**7)
    assert backoff.next_wait(was_up=0) == LONGEST
