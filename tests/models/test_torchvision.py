"""torchvision's own published figures: multiply-accumulates (`_ops`) and parameters of the weights it ships."""

from __future__ import annotations

import pytest
import torch

from flopsight import profile
from flopsight.errors import NeedsValuesError
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


AS_PUBLISHED = {
    "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fcos_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large",
}  # fmt: skip
"""Detection models whose published figure is that of 1,000 proposals, and 100 detections, in an image of 800 by 800.

Of the others it is that of hardly any boxes, which is what a model finds in noise.
"""


@pytest.mark.parametrize("key", DETECTION)
def test_detection_of_as_many_boxes_as_are_assumed(key):
    name, weight = DETECTION[key]
    model = made(name, weights_backbone=None)
    p = profile(model, [[(3, 800, 800)]], proposals=1000, strict=True)
    assert any(note.startswith("1,000 elements are taken") for note in p.notes)
    if name in AS_PUBLISHED:
        assert round(p.macs / 1e9, 3) == pytest.approx(weight.meta["_ops"], abs=1e-9)
    else:
        assert p.macs / 1e9 > weight.meta["_ops"]


def test_the_box_head_takes_the_proposals_and_no_more():
    model = made("fasterrcnn_resnet50_fpn", weights_backbone=None)
    few, many = (profile(model, [[(3, 800, 800)]], proposals=n).macs for n in (300, 1000))
    each = 256 * 7 * 7 * 1024 + 1024 * 1024 + 1024 * (91 + 4 * 91)
    assert many - few == 700 * each


def test_proposals_are_divided_among_the_levels_and_suppressed_together():
    model = made("fasterrcnn_resnet50_fpn", weights_backbone=None)
    p = profile(model, [[(3, 800, 800)]], proposals=1002)
    called = [p.operations[operation] for operation, _, _ in p.calls]
    regions = [op.inputs["rois"].shape[0] for op in called if op.name == "torchvision::roi_align"]
    assert sorted(regions) == [250, 250, 250, 250]  # 1,000 are kept of them
    boxes = [op.inputs["dets"].shape[0] for op in called if op.name == "torchvision::nms"]
    assert boxes == [1002, 1002]


@pytest.mark.parametrize("name", sorted({name for name, _ in DETECTION.values()}))
def test_detection_without_values_is_as_executed(name):
    """Where a real run takes as many boxes, which one without weights does: of 10 proposals in a small image."""
    size = {} if name.startswith("ssd") else {"min_size": 96, "max_size": 128}
    if "rcnn" in name:
        size |= {"rpn_post_nms_top_n_test": 10, "rpn_score_thresh": 0.0, "box_score_thresh": 0.0}
        size |= {"box_detections_per_img": 10}
    builder = models.get_model_builder(name)
    options = {"weights": None, "weights_backbone": None, "num_classes": 3, **size}
    torch.manual_seed(0)  # so that the weights of the real run are the same each time
    assumed = profile(Request(name).make(builder, **options), [[(3, 96, 96)]], proposals=10)
    real = profile(Request(name, real=True).make(builder, **options), [[(3, 96, 96)]], execute=True)
    assert assumed.macs == real.macs


def test_torchvision_is_left_as_it_was():
    from torchvision.models.detection import roi_heads, transform
    from torchvision.ops import boxes, poolers

    places = [
        (poolers.LevelMapper, "__call__"), (boxes, "_batched_nms_vanilla"), (roi_heads, "heatmaps_to_keypoints"),
        (transform, "paste_masks_in_image"),
    ]  # fmt: skip
    before = [getattr(*place) for place in places]
    model = made("maskrcnn_resnet50_fpn", weights_backbone=None)
    profile(model, [[(3, 96, 96)]], proposals=5)
    assert [getattr(*place) for place in places] == before
    with pytest.raises(NeedsValuesError, match="proposals=1000"):
        profile(model, [[(3, 96, 96)]])
