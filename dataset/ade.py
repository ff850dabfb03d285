"""ADE20K as of the MIT scene parsing challenge 2016: 20,210 training and 2,000 validation images."""

from pathlib import Path

from dataset.files import FileDataset, below, pictures, stem
from dataset.samples import Samples

CLASSES = """
void, wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person,
earth, door, table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror,
rug, field, armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column,
signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path,
stairs, runway, case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee
table, toilet, flower, book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair,
boat, bar, arcade machine, hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth,
television receiver, airplane, dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle,
buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool,
barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food, step, tank, trade name, microwave,
pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood, sconce, vase, traffic light, tray,
ashcan, fan, pier, crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag
"""

FOLDERS = {"train": "training", "val": "validation"}


class ADE(FileDataset):
    """ADE20K; labels as stored: 0 is unlabelled, 1..150 are classes, and there is no 255.

    Args:
        root: the ADEChallengeData2016 folder, or one that holds it. Images are ordered by name.
    """

    name = "ade"
    class_names = tuple(" ".join(CLASSES.split()).split(", "))
    background_is_unlabelled = True
    expected = {"train": 20210, "val": 2000}
    notes = {
        "disjoint": "the disjoint lists published for ADE20K do not follow the disjoint rule: they give an "
        "image to the step of the class that lacked images most, whatever else it shows. To compare with "
        "published disjoint results, point --index_dir to the folder with the published train-<step>.npy"
    }

    def __init__(self, root: Path | str):
        super().__init__(root)
        if (self.root / "ADEChallengeData2016").is_dir():
            self.root = self.root / "ADEChallengeData2016"
        if not (self.root / "images").is_dir():
            raise FileNotFoundError(
                f"{self.root} holds no ADEChallengeData2016/images; give --data_root (see data/README.md)"
            )

    def list_samples(self, split: str) -> Samples:
        if split not in FOLDERS:
            raise ValueError(f"ade has no split {split!r}; known: {', '.join(FOLDERS)}")
        masks = self.root / "annotations" / FOLDERS[split]
        images = pictures(self.root / "images" / FOLDERS[split])
        ids = [stem(image) for image in images]
        return Samples.of_columns(ids, images, below(masks, [f"{id}.png" for id in ids]))
