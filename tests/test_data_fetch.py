"""Downloads from a server on the loopback: cut, continued, wrong, gone."""

import hashlib

import numpy as np
import pytest

from data import fetch
from data.sources import Archive
from tests.archives import server

CONTENT = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(fetch, "PAUSE", 0.0)


def archive_at(*urls, content=CONTENT, **changes):
    known = {"size": len(content), "digest": f"md5:{hashlib.md5(content).hexdigest()}"}
    return Archive("a.tar", urls, **(known | changes))


def test_download_continues_where_it_was_cut(tmp_path):
    with server(CONTENT, cuts=[1200, 800]) as (url, asked):
        path = fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path / "new"])
    assert path.read_bytes() == CONTENT
    assert asked == [None, "bytes=1200-", "bytes=2000-"]
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.tar"]


def test_download_of_an_earlier_call_is_continued(tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:4000])
    with server(CONTENT) as (url, asked):
        fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path])
    assert asked == ["bytes=4000-"] and (tmp_path / "a.tar").read_bytes() == CONTENT


def test_server_without_ranges_sends_everything_again(tmp_path):
    (tmp_path / "a.tar.part").write_bytes(b"x" * 4000)
    with server(CONTENT, ranges=False) as (url, _):
        assert fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path]).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [4000, 5000, 6000])
def test_beginning_of_another_file_is_thrown_away_once(tmp_path, length):
    (tmp_path / "a.tar.part").write_bytes(b"x" * length)
    with server(CONTENT) as (url, asked):
        assert fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path]).read_bytes() == CONTENT
    assert asked == [f"bytes={length}-", None]


@pytest.mark.parametrize("wrong", [{"digest": "md5:0"}, {"size": 7}])
def test_wrong_content_is_refused_and_not_kept(tmp_path, wrong):
    with server(CONTENT) as (url, asked), pytest.raises(ValueError, match="instead of"):
        fetch.obtain(archive_at(f"{url}/a.tar", **wrong), [tmp_path])
    assert len(asked) == 1 and not list(tmp_path.iterdir())


def test_address_that_is_gone_is_reported_after_trying_the_next(tmp_path):
    with server(CONTENT) as (url, asked):
        with pytest.raises(ValueError, match="answers 404 .* by other means"):
            fetch.obtain(archive_at(f"{url}/gone.tar"), [tmp_path])
        assert len(asked) == 1
        assert fetch.obtain(archive_at(f"{url}/gone.tar", f"{url}/a.tar"), [tmp_path]).is_file()


def test_server_that_does_not_answer_is_reported_and_the_beginning_kept(tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:100])
    with server(CONTENT) as (url, _):
        pass
    with pytest.raises(ValueError, match="same command again to continue"):
        fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path])
    assert (tmp_path / "a.tar.part").stat().st_size == 100


def test_archive_that_is_there_is_verified_and_left_alone(tmp_path):
    (tmp_path / "a.tar").write_bytes(CONTENT)
    assert (
        fetch.obtain(archive_at("http://127.0.0.1:9/a.tar"), [tmp_path / "other", tmp_path])
        == tmp_path / "a.tar"
    )
    (tmp_path / "a.tar").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ValueError, match="remove the file"):
        fetch.obtain(archive_at("http://127.0.0.1:9/a.tar"), [tmp_path])
    assert (tmp_path / "a.tar").is_file()
