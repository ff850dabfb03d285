"""--profile: a trace with the parts of an iteration by name, a table, and nothing where nobody asked."""

import gzip
import json
import re

import pytest

from utils import ranges

PARTS = ("data", "network", "losses", "backward", "optimizer")
LATER = ("teacher", "loss: pod", "loss: weighted_cross_entropy")


def test_profiled_iterations_leave_a_trace_and_a_table_with_every_part(cli, tmp_path):
    status, out, err = cli("--method", "PLOP", "--step", "0", "1", "--profile", "2")
    assert status == 0, err
    assert "profiler" not in err
    _, *tables = re.split(r"profile of (?:2 iterations|1 iteration), \S+ ms each: ", out)
    for step, (number, names, table) in enumerate(zip((2, 1), (PARTS, PARTS + LATER), tables, strict=True)):
        (trace,) = (tmp_path / "logs").rglob(f"step_{step}/trace.json.gz")
        assert str(trace.relative_to(tmp_path)) in table
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
        for name in names:  # the 6 images of step 1 make one iteration
            assert sum(event.get("name") == name for event in events) == number, name
            assert re.search(rf"^ +{name} +\d+\.\d+ ms +\d+\.\d%$", table, re.MULTILINE), name
        assert "aten::" in table
    assert "teacher" not in tables[0]
    assert ranges.named("network") is ranges.named("teacher")  # off again: one context that does nothing


@pytest.mark.parametrize("number", ["0", "-3"])
def test_fewer_than_one_iteration_cannot_be_profiled(cli, number):
    status, _, err = cli("--method", "FT", "--step", "0", "--profile", number)
    assert status == 2 and "--profile must be at least 1" in err
    assert len(err.strip().splitlines()) == 1
