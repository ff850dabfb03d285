"""`--cache_limit`: packs that nobody uses make room, those in use stay, and too little is refused."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import probe
from config.flags import checked
from dataset.cache import cached
from dataset.room import InUse, Room, deleted_unless_used
from experiment.features import reserve
from tests.conftest import ROOT, until
from tests.test_dataset_cache import assert_same, data, items_of, packs_of, step_of  # noqa: F401
from utils.sizes import size

USING = """
import sys
from pathlib import Path
from dataset.room import InUse
file = InUse(Path(sys.argv[1]))
print("in use", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def packs(tmp_path):
    """Three packs of 1,000 bytes, the first unused for longest."""
    found = []
    for number in range(3):
        path = tmp_path / f"decoded_{number}" / "0.pack"
        path.parent.mkdir()
        path.write_bytes(bytes(1000))
        os.utime(path, (number, number))
        found.append(path)
    return found


def there(packs):
    return [path.exists() for path in packs]


def test_what_was_not_used_for_longest_goes_and_a_line_says_what(packs, tmp_path, capsys):
    Room(tmp_path, 3500).take(500)
    assert there(packs) == [True, True, True] and not capsys.readouterr().out
    Room(tmp_path, 3500).take(600)
    assert there(packs) == [False, True, True]
    assert f"{packs[0]} went (1e-06GB), unused for longest" in capsys.readouterr().out
    InUse(packs[1]).close()  # used now, and no longer in use
    Room(tmp_path, 2500).take(1000)
    assert there(packs) == [False, True, False]


def test_without_a_limit_nothing_goes(packs, tmp_path):
    Room(tmp_path, 0).take(10**15)
    assert there(packs) == [True, True, True]


def test_what_this_process_uses_stays_and_too_little_is_refused_with_a_cure(packs, tmp_path):
    used = InUse(packs[0])
    with pytest.raises(ValueError, match="cache_limit 2.5e-06GB is too small.* give more"):
        Room(tmp_path, 2500).take(1600)
    assert there(packs) == [True, False, False]
    used.close()


def test_what_another_living_process_uses_stays_until_it_ends(packs, tmp_path):
    argv = [sys.executable, "-c", USING, str(packs[0])]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"in use\n"
        assert not deleted_unless_used(packs[0]) and there(packs)[0]
        process.kill()
    assert until(lambda: deleted_unless_used(packs[0]), seconds=10)


def test_what_is_being_written_counts_and_stays(packs, tmp_path):
    writing = packs[0].with_name(".1.pack.host-1-x.tmp")
    writing.write_bytes(bytes(2000))
    Room(tmp_path, 3500).take(1000)
    assert writing.exists() and there(packs) == [False, False, False]


def test_a_pack_that_goes_between_two_looks_is_not_in_use(packs):
    packs[0].unlink()
    with pytest.raises(FileNotFoundError):
        InUse(packs[0])
    assert deleted_unless_used(packs[0])


def test_images_of_a_new_data_set_take_the_room_of_an_old_one(data, tmp_path):  # noqa: F811
    whole = 4 * 36 * 36 * len(data.train) + 2000
    old = packs_of_another(data)
    kept = cached(data, "disk", limit=whole)
    assert not old.exists() and len(packs_of(data)) == 1
    assert_same(items_of(kept.train), items_of(data.train))


def packs_of_another(data):  # noqa: F811
    path = Path(data.cache_dir) / "decoded_another_train_0" / "0.pack"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(100_000))
    return path


def test_images_that_exceed_the_limit_are_refused_and_leave_no_pack(data):  # noqa: F811
    with pytest.raises(ValueError, match="--cache_limit 1e-05GB is too small"):
        cached(data, "disk", limit=10_000)
    assert not packs_of(data)


def test_images_of_a_run_stay_while_it_trains_and_go_for_the_next(data, capsys):  # noqa: F811
    limit = 4 * 36 * 36 * len(data.train) + 2000
    kept = cached(data, "disk", limit=limit)
    (pack,) = packs_of(data)
    with pytest.raises(ValueError, match="too small"):
        Room(Path(data.cache_dir), limit).take(limit)
    assert pickle.loads(pickle.dumps(kept)).dataset.kept.places == kept.dataset.kept.places
    del kept
    Room(Path(data.cache_dir), limit).take(limit)
    assert not pack.exists() and str(pack) in capsys.readouterr().out
    assert_same(items_of(cached(data, "disk", limit=limit).train), items_of(data.train))


def test_a_limit_that_is_lower_than_before_is_kept_though_nothing_is_missing(data):  # noqa: F811
    old = packs_of_another(data)
    cached(data, "disk")
    assert old.exists()
    cached(data, "disk", limit=100_000)
    assert not old.exists() and len(packs_of(data)) == 1


def test_kept_features_make_room_too(packs, tmp_path):
    import torch

    reserve(tmp_path, [(1, 10, 8, 4, 4)], [torch.float32], lambda _: None, 6000)
    assert there(packs) == [False, False, False]
    with pytest.raises(ValueError, match="cache_limit 5e-06GB is too small"):
        reserve(tmp_path, [(1, 10, 8, 4, 4)], [torch.float32], lambda _: None, 5000)


@pytest.mark.parametrize(
    ("text", "want"), [("20GB", 20), ("0.5", 0.5), ("500 mb", 0.5), ("2TB", 2000), (3, 3)]
)
def test_sizes_are_read_as_people_write_them(text, want):
    assert size(text) == want
    assert checked("cache_limit", text, "FT") == want
    assert probe.parser().parse_args(["run", "--memory", str(text)]).memory == want


@pytest.mark.parametrize("text", ["-1", "much", "20 G", "nan", ""])
def test_what_is_no_size_is_refused(text, cli):
    status, _, err = cli("--cache", "disk", f"--cache_limit={text}")
    assert status == 2 and "cache_limit" in err


def test_a_limit_of_nothing_is_refused(cli):
    status, _, err = cli("--cache", "ram", "--cache_limit", "1GB")
    assert status == 2 and "give one, or leave it out" in err
