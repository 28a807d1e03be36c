"""torchvision's own published figures: multiply-accumulates (`_ops`) and parameters of the weights it ships."""

from __future__ import annotations

import pytest

from flopsight import profile
from flopsight.sources import Request
from flopsight.sources.torchvision_operators import torchvision_importable

with torchvision_importable():
    torchvision = pytest.importorskip("torchvision")
models = torchvision.models


def published(module):
    """Every weight of a module's models, by its name: the model's name and the weight."""
    return {
        str(weight).replace("_Weights", ""): (name, weight)
        for name in models.list_models(module=module)
        for weight in models.get_model_weights(name)
    }


CLASSIFICATION = published(models)
SEGMENTATION = published(models.segmentation)
VIDEO = published(models.video)
DETECTION = published(models.detection)


def made(name, **arguments):
    builder = models.get_model_builder(name)
    return Request(name).make(builder, **arguments)


def as_published(model, shape, weight):
    p = profile(model, shape, strict=True)
    assert round(p.macs / 1e9, 3) == pytest.approx(weight.meta["_ops"], abs=1e-9)
    return p


def test_there_are_as_many_as_there_were():
    assert len(CLASSIFICATION) == 115


@pytest.mark.parametrize("key", CLASSIFICATION)
def test_classification(key):
    name, weight = CLASSIFICATION[key]
    size = weight.transforms().crop_size[0]
    arguments = {"image_size": size} if name.startswith("vit_") else {}
    if name in ("googlenet", "inception_v3"):
        arguments["init_weights"] = False  # the alternative takes minutes
    if name == "googlenet":
        arguments["aux_logits"] = False  # the published figure is without the two auxiliary heads
    p = as_published(made(name, **arguments), (1, 3, size, size), weight)
    assert p.params == weight.meta["num_params"]


def test_resnet50_to_the_unit():
    p = profile(made("resnet50"), (1, 3, 224, 224))
    assert (p.macs, p.flops, p.params) == (4_089_184_256, 2 * 4_089_184_256, 25_557_032)


@pytest.mark.parametrize("key", VIDEO)
def test_video(key):
    name, weight = VIDEO[key]
    p = as_published(made(name), (1, 3, 16, *weight.transforms().crop_size), weight)
    assert p.params == weight.meta["num_params"]


@pytest.mark.parametrize("key", SEGMENTATION)
def test_segmentation(key):
    name, weight = SEGMENTATION[key]
    auxiliary = {} if name.startswith("lraspp") else {"aux_loss": True}  # the published figures have the second head
    p = as_published(made(name, weights_backbone=None, **auxiliary), (1, 3, 520, 520), weight)
    assert p.params == weight.meta["num_params"]


def smaller(name):
    """Options that make a detection model quick to run for real."""
    if name.startswith("ssd"):
        return {}  # of one size by construction
    size = {"min_size": 96, "max_size": 128}
    proposals = {"rpn_pre_nms_top_n_test": 50, "rpn_post_nms_top_n_test": 10}
    return size | proposals if "rcnn" in name else size


@pytest.mark.parametrize("name", sorted({name for name, _ in DETECTION.values()}))
def test_detection_runs_for_real_without_an_unknown_operator(name):
    builder = models.get_model_builder(name)
    model = Request(name, real=True).make(builder, weights=None, weights_backbone=None, num_classes=3, **smaller(name))
    assert profile(model, [[(3, 96, 96)]], execute=True, strict=True).macs > 0
