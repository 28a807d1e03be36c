"""The architectures that the tools are run on, side by side: small inputs, so that real runs are quick."""

from __future__ import annotations

import torch
from torch import nn

IMAGES = {
    "alexnet": 64,
    "convnext_tiny": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "googlenet": 64,
    "inception_v3": 80,
    "mnasnet0_5": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "regnet_y_400mf": 64,
    "resnet18": 64,
    "resnet50": 64,
    "resnext50_32x4d": 64,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "swin_t": 64,
    "vgg11_bn": 32,
    "vit_b_16": 224,
    "wide_resnet50_2": 64,
}
"""Image models of torchvision, with the side of the image they are given."""

MODELS = [*IMAGES, "fcn_resnet50", "r3d_18"]


def build(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The model, with weights that were never filled, and an input."""
    from torchvision import models

    families = {"fcn_resnet50": models.segmentation, "r3d_18": models.video}
    arguments = {"fcn_resnet50": {"weights_backbone": None}, "r3d_18": {}}.get(name, {})
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # RegNet computes its widths with tensors
        known = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = getattr(families.get(name, models), name)(**arguments, **known)
    shape = {"fcn_resnet50": (1, 3, 64, 64), "r3d_18": (1, 3, 8, 32, 32)}.get(name) or (
        1,
        3,
        IMAGES[name],
        IMAGES[name],
    )
    model = model.to_empty(device="cpu").eval()
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.fill_(0)
    return model, torch.zeros(shape)
