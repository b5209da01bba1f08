"""Chunks, what they tell, and what they do without memory."""

import pytest
import torch

from diverse_inpainting.core.progress import chunk_size, in_chunks, parts_of

ROWS = torch.arange(21.0).reshape(7, 3)


@pytest.fixture
def seen():
    return []


def test_rows_come_in_order_and_each_chunk_is_told(seen):
    result = in_chunks(lambda rows: ROWS[rows] * 2, 7, 3, lambda *step: seen.append(step))
    assert torch.equal(result, ROWS * 2)
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert torch.equal(in_chunks(lambda rows: ROWS[rows], 1, 3), ROWS[:1])


def test_chunks_without_memory_are_halved_once_and_for_all(seen):
    def compute(rows):
        seen.append(rows.stop - rows.start)
        if seen[-1] > 2:
            raise torch.OutOfMemoryError
        return ROWS[rows]

    assert torch.equal(in_chunks(compute, 7, 7), ROWS)
    assert seen == [7, 4, 2, 2, 2, 1]


def test_a_single_row_without_memory_is_an_error(seen):
    def compute(rows):
        seen.append(rows.stop - rows.start)
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        in_chunks(compute, 7, 3)
    assert seen == [3, 2, 1]


def test_what_a_step_raises_ends_the_work(seen):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_chunks(lambda rows: seen.append(rows) or ROWS[rows], 7, 3, interrupt)
    assert len(seen) == 1


def test_the_cpu_computes_few_images_at_once():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    sizes = [chunk_size(side, cpu) for side in (32, 64, 128, 256, 1024)]
    assert sizes == [4, 4, 2, 1, 1]
    assert chunk_size(1024, cuda) == 32


def test_parts_are_told_as_one_work(seen):
    first, none, last = parts_of(lambda *step: seen.append(step), 1, 0, 4)
    for part, *step in ((first, 2, 4), (first, 4, 4), (none, 1, 3), (last, 5, 10), (last, 10, 10)):
        part(*step)
    assert seen == [(0, 5), (1, 5), (1, 5), (3, 5), (5, 5)]
    assert parts_of(None, 1, 2) == [None, None]
