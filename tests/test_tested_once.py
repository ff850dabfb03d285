"""What a repeated command does not do again, in tests and files that it reads, counted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import increments
from dataset.images import StepImages
from dataset.shapes import Shapes
from experiment.log_pictures import Samples, some_images
from metrics import filed
from tests.result_files import write_run

FT = ["--method", "FT", "--step", "0", "1"]
RESULT = Path("results/small_4-1_overlap/FT_tiny/step_1.json")


@pytest.fixture
def evaluated(monkeypatch) -> list[int]:
    """Steps whose tests went through the network."""
    seen = []

    def counting(method, *rest, **more):
        seen.append(method.step.index)
        return evaluate(method, *rest, **more)

    evaluate = increments.evaluate
    monkeypatch.setattr(increments, "evaluate", counting)
    return seen


def test_a_repeated_command_tests_nothing_again_but_what_is_new(cli, evaluated):
    assert cli(*FT)[0] == 0 and evaluated == [0, 1]
    written, logs = RESULT.read_text(), len(list(Path("logs").rglob("events*")))
    status, out, _ = cli(*FT)
    assert status == 0 and evaluated == [0, 1]
    assert out.count("tested before; --test tests again") == 2 and "Run continue learning in" in out
    assert len(list(Path("logs").rglob("events*"))) == logs

    # Another view is another test, --test asks for every one, and a changed or lost file is written anew.
    cli(*FT, "--eval", "full")
    cli(*FT, "--eval", "full")
    assert evaluated == [0, 1, 0, 1]
    cli(*FT, "--test")
    assert evaluated == [0, 1] * 3 and RESULT.read_text() == written
    for changed in ({"network": 1}, {"counted": "another set"}):
        content = json.loads(written)
        RESULT.write_text(json.dumps(content | {"test": content["test"] | changed}))
        cli(*FT)
    assert evaluated == [0, 1] * 3 + [1, 1] and RESULT.read_text() == written
    Path(RESULT).with_name("step_0.json").unlink()
    cli(*FT)
    assert evaluated[-1] == 0


def test_a_result_that_does_not_follow_from_earlier_ones_is_made_again(cli, evaluated):
    cli(*FT)
    first = json.loads(RESULT.with_name("step_0.json").read_text())
    first["scores"]["miou_all"] = 1.0
    RESULT.with_name("step_0.json").write_text(json.dumps(first))
    cli("--method", "FT", "--step", "1")
    assert evaluated == [0, 1, 1]


def test_a_damaged_result_is_refused_with_a_cure_that_works(cli, evaluated):
    cli(*FT)
    written = RESULT.read_text()
    RESULT.write_text(written[:100])
    status, _, err = cli(*FT)
    assert status == 2 and "step_1.json is no result file" in err and "delete it, and repeat" in err
    RESULT.unlink()
    assert cli(*FT)[0] == 0 and evaluated == [0, 1, 1] and RESULT.read_text() == written


def test_a_result_file_is_read_once_however_many_follow(tmp_path, monkeypatch):
    reads = []
    loads = json.loads
    monkeypatch.setattr(filed.json, "loads", lambda text: reads.append(1) or loads(text))
    folder = write_run(tmp_path, "FT")  # three steps, each of which looks at those before it
    assert len(filed.read_results(folder)) == len(filed.read_results(folder)) == 3
    assert len(reads) == 3


class Counted(list):
    """A list that counts how often it is asked for one of its values."""

    asked = 0

    def __getitem__(self, index):
        self.asked += 1
        return super().__getitem__(index)


def test_sample_images_are_found_in_one_pass_over_the_ids():
    ids = Counted(f"image {number}" for number in range(500))
    chosen = some_images(ids, range(500), 6)
    assert len(set(chosen)) == 6 and ids.asked == 500


def test_sample_pictures_come_from_the_batches_that_pass_by():
    shapes = Shapes(size=36, num_train=4, num_val=10)
    images = StepImages(shapes, shapes.samples("val"), np.arange(256, dtype=np.uint8))
    batches = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    samples = Samples(images, batches, count=3)
    for batch in batches:
        pairs = [images[index] for index in batch]
        pictures, labels = torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])
        samples.look(pictures, labels, labels.long())
    wanted = some_images(images.ids, range(10), 3)
    assert [key for key in samples.places] == wanted and samples.kept.keys() == set(wanted)
    for index in wanted:
        image, truth, predicted = samples.kept[index]
        assert np.array_equal(image, images[index][0].permute(1, 2, 0)) and np.array_equal(truth, predicted)
    assert samples.picture(list(range(7))).ndim == 3
    assert Samples(images, []).picture([0]) is None
