"""The lines that people copy, with the import changed and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import flopsight

pytestmark = pytest.mark.usefixtures("torchvision")

RESNET50_PARAMS = 25557032


def test_thop() -> None:
    from torchvision.models import resnet50

    from flopsight.compat.thop import profile

    model = resnet50()
    flops, params = profile(model, input_size=(1, 3, 224, 224))
    assert (flops, params) == (4133742592.0, RESNET50_PARAMS)


def test_torchstat(capsys: pytest.CaptureFixture[str]) -> None:
    import torchvision.models as models

    from flopsight.compat.torchstat import stat

    model = models.alexnet()
    stat(model, (3, 224, 224))
    said = capsys.readouterr().out
    assert "Total params: 61,100,840\n" in said
    assert "Total MAdd: 1.43GMAdd\nTotal Flops: 715.54MFlops\nTotal MemR+W: 241.86MB\n" in said


def test_flopth(capsys: pytest.CaptureFixture[str]) -> None:
    from torchvision.models import squeezenet1_1

    from flopsight.compat.flopth import flopth

    net = squeezenet1_1()
    print(flopth(net, in_size=[3, 112, 112]))
    assert capsys.readouterr().out == "('79.9372M', '1.2355M')\n"


def test_ptflops(capsys: pytest.CaptureFixture[str]) -> None:
    from torchvision.models import resnet50

    from flopsight.compat.ptflops import get_model_complexity_info

    net = resnet50()
    flops, params = get_model_complexity_info(net, (3, 224, 224), as_strings=True, print_per_layer_stat=True)
    print("Flops: " + flops)
    print("Params: " + params)
    assert capsys.readouterr().out.endswith("\nFlops: 4.13 GMac\nParams: 25.56 M\n")


def test_parameters_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    from torchvision.models import resnet50

    net = resnet50()
    print("Total params: %.2fM" % (sum(p.numel() for p in net.parameters()) / 1000000.0))
    assert capsys.readouterr().out == "Total params: 25.56M\n"
    assert flopsight.profile(net, (1, 3, 224, 224)).params == RESNET50_PARAMS


class Again(nn.Module):
    """A layer run three times, for one sample, for two, and for two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5, bias=False)
        self.attention = nn.MultiheadAttention(5, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        y = self.layer(torch.cat([y, y]))
        y = self.layer(y)
        return self.attention(self.attention(y, y, y)[0], y, y)[0]


@pytest.mark.parametrize("backward", [False, True])
def test_a_layer_run_several_times_counts_every_time_or_once(backward: bool) -> None:
    record = flopsight.profile(Again(), (1, 1, 5), backward=backward)
    forward = (
        record["layer"].total("macs", phase="forward"),
        record["layer"].total("macs", phase="forward", reuse="once"),
    )
    assert forward == (5 * 5 * (1 + 2 + 2), 5 * 5)
    assert record.modules["layer"].calls == 3
    attention = record["attention"]  # out_proj is used without being called: it goes with its caller
    assert attention.total("macs", reuse="once", phase="forward") * 2 == attention.total("macs", phase="forward")
    assert attention["attention.out_proj"].total("macs", reuse="once", phase="forward") == 2 * 5 * 5
    assert record.total("macs", reuse="every") == record.macs > record.total("macs", reuse="once")


def test_flopth_counts_a_reused_layer_once() -> None:
    from torchvision.models import resnet18

    record = flopsight.profile(resnet18().eval(), (1, 3, 224, 224))
    assert record.total("flopth", reuse="once") == 1821424128  # flopth 0.1.6 itself
    assert record.total("flopth") == 1822176768


def test_an_unknown_reuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'one' is none of every, once\. Did you mean 'once'"):
        flopsight.profile(nn.Identity(), (1,)).total("macs", reuse="one")
