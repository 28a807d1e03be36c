"""`path/to/model.onnx`: a model in the ONNX format, as onnx2torch writes it in PyTorch's operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flopsight.errors import InputError
from flopsight.sources import Request, Source, Workload
from flopsight.sources._optional import require


def build(request: Request) -> Workload:
    """The model, on inputs of the sizes that its graph states."""
    path = Path(request.address)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if request.arguments or request.train:
        raise InputError(f"{path} is a finished graph: it takes no arguments and has no training mode.")
    request.refuse_unused({"batch"})
    onnx = require("onnx", use="A model in the ONNX format")
    convert = require("onnx2torch", use="A model in the ONNX format").convert
    try:
        proto = onnx.load(path)
    except Exception as error:
        raise InputError(f"{path} cannot be read as ONNX: {type(error).__name__}: {error}") from error
    try:
        model = convert(proto).eval()
    except Exception as error:
        raise InputError(f"onnx2torch cannot convert {path}: {type(error).__name__}: {error}") from error
    held = {weight.name for weight in proto.graph.initializer}
    inputs = [_input(onnx, value, request) for value in proto.graph.input if value.name not in held]
    known = [spec for spec in inputs if spec is not None]
    return Workload(model, tuple(known) if len(known) == len(inputs) else None, {}, request.address)


def _input(onnx: Any, value: Any, request: Request) -> Any:
    """The spec of an input; None where the graph leaves a size open that is not the batch."""
    from flopsight.tracing.given.inputs import spec

    kind = value.type.tensor_type
    sizes = [size.dim_value or None for size in kind.shape.dim]
    if sizes and (sizes[0] is None or request.sizes.batch):
        sizes[0] = request.sizes.batch or 1
    if None in sizes or not kind.HasField("shape"):
        return None
    return spec(*sizes, dtype=str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)))


SOURCE = Source(
    "", "path/to/model.onnx", "a model in the ONNX format", build, claims=lambda text: text.endswith(".onnx")
)
