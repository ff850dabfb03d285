"""The method of methods/README.md, taken from that page."""

import re

from methods import METHODS
from tests.builders import make_images, make_labels, make_method
from tests.conftest import ROOT


def test_the_documented_example_is_a_complete_method(cli, monkeypatch):
    page = (ROOT / "methods" / "README.md").read_text(encoding="utf-8")
    source = re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1)
    assert len(source.splitlines()) <= 30
    namespace = {"__name__": "feature_kd"}
    exec(compile(source, "methods/README.md", "exec"), namespace)  # noqa: S102
    monkeypatch.setitem(METHODS, "FeatureKD", namespace["FeatureKD"])

    method = make_method("FeatureKD", 1, feature_weight=2.0)
    losses = method.losses(make_images(), make_labels(method.step, "mixed"))
    assert losses.keys() == {"ce", "features"}
    status, out, err = cli("--method", "featurekd", "--feature_weight", "0.5", "--step", "0", "1")
    assert status == 0, err
    assert "FeatureKD" in out
