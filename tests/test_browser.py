"""Both pages in a real browser: they work by mouse and keyboard, at every width, in light and dark."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from analysis.leaderboard import __main__ as leaderboard
from analysis.report import __main__ as report
from tests.browser import lacking, open_browser
from tests.result_files import compared

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lacking()), reason=lacking())]
NAMES = ("leaderboard", "report")
PLOP = "#dataset=voc&task=19-1&setting=overlap&evaluation=PLOP"
WIDTHS = (1280, 820, 390)  # desk, tablet, phone


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Addresses of the leaderboard and of a report."""
    root = tmp_path_factory.mktemp("pages")
    results = compared(root / "results")
    for program in (leaderboard, report):
        assert program.cli([str(results), "--out", str(root)]) == 0
    return {name: (root / f"{name}.html").as_uri() for name in NAMES}


@pytest.fixture(scope="module")
def browser():
    driver = open_browser()
    yield driver
    driver.quit()


@pytest.fixture
def load(browser, pages):
    """`load(page, hash)` opens a page anew; afterwards its console must have been silent."""

    def call(name, rest=""):
        browser.get("about:blank")
        browser.get(pages[name] + rest)
        return browser

    yield call
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def texts(browser, selector):
    """What elements say, hidden ones, too."""
    script = "return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)"
    return browser.execute_script(script, selector)


def choose(browser, name, value):
    (option,) = find(browser, f"#{name} option[value='{value}']")
    option.click()


def test_the_leaderboard_opens_on_ones_own_runs_and_finds_the_published_ones(load):
    page = load("leaderboard")
    assert texts(page, "#board .yours") and "shapes" in texts(page, "#board .group")[0]
    choose(page, "dataset", "voc")
    assert not texts(page, "#board .yours")
    choose(page, "task", "15-1")
    groups = texts(page, "#board .group")
    assert "PASCAL VOC 15-1 overlap" in groups[0] and "convention X" in "".join(groups)
    (caption,) = texts(page, "#years figcaption")
    assert caption.endswith("PASCAL VOC 15-1 overlap") and len(find(page, "#years .mark")) > 30


def test_a_click_on_a_head_ranks_within_groups_and_the_address_remembers_the_view(load):
    page = load("leaderboard", f"{PLOP}&convention=I&backbone=resnet101")
    assert texts(page, "#board [aria-sort] button") == ["all"]
    find(page, "[data-sort=new]")[0].click()
    known = texts(page, "#board tr:not(.joint) td:nth-child(4)")
    values = [float(text) for text in known if text != "–"]
    assert values == sorted(values, reverse=True) and len(values) > 5
    assert known[len(values) :] == ["–"] * (len(known) - len(values)) != []  # unknown ones stay last
    find(page, "[data-sort=method]")[0].click()
    methods = texts(page, "#board tbody tr:not(.joint):not(.group) > th")
    order = page.execute_script("return [...arguments[0]].sort((a, b) => a.localeCompare(b))",
                                [name.lstrip("0123456789") for name in methods])  # fmt: skip
    assert [name.lstrip("0123456789") for name in methods] == order
    again = load("leaderboard", page.execute_script("return location.hash"))
    assert texts(again, "#board tbody tr:not(.joint):not(.group) > th") == methods


def test_conventions_are_mixed_only_if_asked_and_the_page_says_what_that_means(load):
    page = load("leaderboard", "#dataset=voc&task=15-1&setting=overlap")
    heads = texts(page, "#board .group")
    assert texts(page, "#warning") == [""] and all("convention" in head for head in heads)
    find(page, "[data-apart=convention]")[0].click()
    (warning,) = texts(page, "#warning")
    assert "I: background counts" in warning and "X: background is left out" in warning
    assert not any("convention" in head for head in texts(page, "#board .group"))


def test_two_rows_are_compared_with_what_is_unlike_in_them(load):
    page = load("leaderboard", "#dataset=voc&task=15-1&setting=overlap&search=mib&joint=false")
    boxes = find(page, "#board tbody th input")
    boxes[0].click()
    assert "Tick another row" in texts(page, "#compare")[0]
    find(page, "#board tbody:nth-of-type(2) th input")[0].click()
    (verdict,) = texts(page, "#compare .warn")
    assert verdict.startswith("Not alike in") and "convention" in verdict
    assert any(text.startswith(("+", "−")) for text in texts(page, "#compare td:last-child"))


def test_what_is_shown_comes_as_csv_latex_and_bibtex(load):
    page = load("leaderboard", "#dataset=ade&task=100-10&setting=overlap")
    shown = len(find(page, "#board tbody tr:not(.group)"))

    def got(kind):
        find(page, f"[data-get={kind}]")[0].click()
        (text,) = texts(page, "#body")
        find(page, "#text form button:last-of-type")[0].click()
        return text

    lines = list(csv.DictReader(io.StringIO(got("csv"))))
    assert len(lines) == shown > 20 and {line["task"] for line in lines} == {"100-10"}
    latex = got("tex")
    assert latex.count(r"\\") == shown + 1 + latex.count(r"\midrule") and r"\textbf" in latex
    bibtex = got("bib")
    assert "@software{continual_segmentation" in bibtex
    assert "zhou2017ade20k" in bibtex and "everingham" not in bibtex


def test_the_leaderboard_is_worked_by_keyboard(load):
    from selenium.webdriver import ActionChains, Keys

    page = load("leaderboard", "#dataset=&task=&setting=")
    before = len(find(page, "#board tbody tr:not(.group)"))
    ActionChains(page).send_keys("/").send_keys("rcil").perform()
    found = texts(page, "#board tbody tr:not(.group) > th")
    assert 0 < len(found) < before and page.switch_to.active_element.get_attribute("id") == "search"
    ActionChains(page).send_keys("zzz").perform()
    assert find(page, "#none")[0].is_displayed()
    head = find(page, "[data-sort=year]")[0]
    page.execute_script("arguments[0].focus()", head)
    ActionChains(page).send_keys(Keys.ENTER).perform()
    assert page.switch_to.active_element.get_attribute("data-sort") == "year"  # the focus stays where it was


def test_a_table_of_the_report_is_sorted_by_a_click_and_turned_round_by_another(load):
    page = load("report")
    heads = find(page, "section table.sortable thead th button")
    column = [head.text.split()[0] for head in heads].index("all+bg")
    seen = []
    for _ in range(2):
        heads[column].click()
        (direction,) = {head.get_attribute("aria-sort") for head in find(page, "table.sortable [aria-sort]")}
        script = """return [...document.querySelector("section table.sortable").tBodies[0].rows]
                    .map(row => row.cells[arguments[0]].dataset.value)"""
        values = [float(cell) for cell in page.execute_script(script, column)]
        assert values == sorted(values, reverse=direction == "descending")
        seen.append(direction)
    assert sorted(seen) == ["ascending", "descending"]


@pytest.mark.parametrize("name", NAMES)
def test_pages_fit_desk_tablet_and_phone_in_light_and_dark(load, browser, name, tmp_path):
    try:
        for dark in (False, True):
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            for width in WIDTHS:
                size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                page = load(name)
                assert page.execute_script("return document.documentElement.scrollWidth") <= width
                file = tmp_path / f"{name}_{width}_{scheme['value']}.png"
                assert page.save_screenshot(str(file))
                with Image.open(file) as picture:
                    pixels = np.asarray(picture.convert("L"))
                assert pixels.shape == (900, width) and (pixels[2, 2] < 60) == dark and pixels.std() > 10
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
