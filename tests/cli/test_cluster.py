"""How many actors a cluster gets; Ray itself is in test_scale.py."""

import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from diverse_inpainting.cli.cluster import Cluster, _quiet
from diverse_inpainting.cli.stores import Stores
from diverse_inpainting.core.errors import InputError


def cluster(actors=None, gpus=None, device=None):
    return Cluster(
        actors=actors,
        gpus_per_actor=gpus,
        address=None,
        model="",
        device=device,
        download=False,
        out=Path("out"),
        inputs=(),
        stores=Stores(Path("stores")),
    )


@pytest.mark.parametrize(
    ("asked", "machines", "gpus", "actors"),
    [
        ({}, [{"CPU": 8.0}], 0, 8),
        ({"actors": 3}, [{"CPU": 8.0}], 0, 3),
        ({"actors": 3, "gpus": 0}, [{"CPU": 8.0, "GPU": 2.0}], 0, 3),
        ({"device": "cpu"}, [{"CPU": 8.0, "GPU": 2.0}], 0, 8),
        ({}, [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 4.0}], 1, 2),
        ({"gpus": 0.1}, [{"CPU": 80.0, "GPU": 2.0}], 0.1, 20),
        ({"gpus": 0.3}, [{"CPU": 80.0, "GPU": 1.0}], 0.3, 3),
        ({"gpus": 2}, [{"CPU": 8.0, "GPU": 5.0}], 2, 2),
    ],
)
def test_share_and_number(asked, machines, gpus, actors):
    one = cluster(**asked)
    assert one._gpus_per_actor(machines) == gpus
    assert one._num_actors(machines, gpus, 100) == actors
    assert one._num_actors(machines, gpus, 1) == 1


@pytest.mark.parametrize(
    ("asked", "machines"),
    [
        ({"actors": 3}, [{"CPU": 2.0}]),
        ({"gpus": 1}, [{"CPU": 2.0}]),
        ({"gpus": 1, "actors": 3}, [{"CPU": 8.0, "GPU": 2.0}]),
        ({"gpus": 2}, [{"GPU": 1.0}, {"GPU": 1.0}]),
        ({}, []),
    ],
)
def test_more_than_fit_are_refused_instead_of_waited_for(asked, machines):
    one = cluster(**asked)
    with pytest.raises(InputError, match="Expected at most"):
        one._num_actors(machines, one._gpus_per_actor(machines), 100)


def test_other_threads_do_not_write_to_stdout(capfd):
    with _quiet():
        thread = Thread(target=lambda: sys.stdout.write("noise"))
        thread.start()
        thread.join()
        sys.stdout.write("line")
        sys.stderr.write("error")
    assert capfd.readouterr() == ("line", "error")


def test_what_goes_to_file_2_itself_is_kept_off(capfd):
    with _quiet():
        os.write(2, b"noise")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
