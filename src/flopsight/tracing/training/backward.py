"""The backward pass of what a model returned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from flopsight.errors import InputError
from flopsight.tracing.constructs.nested import packed, with_values
from flopsight.tracing.fake import has_values, make, metadata_of
from flopsight.tracing.given.inputs import tensors_in
from flopsight.tracing.shapes.strides import preserved
from flopsight.tracing.untouched.state import ModuleState


def run_backward(output: Any, state: ModuleState) -> None:
    """The backward pass of the outputs; the gradients it leaves are taken away again."""
    outputs = _beginnings(output)
    gradients = state.gradients
    gradients.note_graph(outputs)
    gradients.hide()
    torch.autograd.backward(outputs, [_seed(t) for t in outputs], retain_graph=gradients.older)


def begin_backward(output: Any) -> None:
    """A backward pass of the outputs that leaves its gradients, as code of the user's own would make it."""
    outputs = _beginnings(output)
    torch.autograd.backward(outputs, [_seed(t) for t in outputs])


def _beginnings(output: Any) -> list[torch.Tensor]:
    """What of an output a backward pass begins with: the loss, if there is one. Raises: InputError if nothing is."""
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    outputs = [t for t in tensors_in(loss if isinstance(loss, torch.Tensor) else _plain(output)) if t.requires_grad]
    outputs = outputs or [t for t in ModuleState.tensors_below(output) if t.requires_grad]
    if not outputs:
        raise InputError(
            "backward=True, but no output of the model depends on a parameter or input that requires a gradient; "
            "unfreeze one (requires_grad_()), or leave backward out."
        )
    return outputs


def _plain(output: Any) -> Any:
    """Outputs that are objects of a class of their own, as a dict of their attributes."""
    if isinstance(output, (torch.Tensor, Mapping, tuple, list)) or not hasattr(output, "__dict__"):
        return output
    return dict(vars(output))


def _seed(output: torch.Tensor) -> torch.Tensor:
    """What a backward pass begins with at `output`: ones, laid out as it is."""
    if output.is_nested:
        return with_values(output, _seed(packed(output)))
    if not has_values(output):
        of = metadata_of(output)
        return make(of.like(of.shape, preserved(of)))
    with torch._C._DisableTorchDispatch():
        return torch.ones_like(output)
