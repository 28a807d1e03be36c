"""Profiles as JSON, schema version 1.

    flopsight   the version that wrote the file          format      1
    model, root, notes, about                            as in `Record`
    operations  [{operator, family, inputs, arguments, outputs, cost (null if unknown), dtype, source, reason, site}]
    scopes      [[path, calling scope, which call]]          calls       [[operation, scope, phase]], as indices
    modules     [{path, kind, calls, inputs, outputs, parameters: [[name, tensor, trainable, buffer, identity]]}]
    storages    [[kind, bytes, tensor, made, gone, call, last call, keeper, module]]     where memory was followed

A tensor is `[shape, dtype]` or `[shape, dtype, stored]`; a list of tensors is `{"list": [...]}`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

from flopsight import schema
from flopsight.calls import Allocation, ModuleNode, Operation, ParameterRecord, Scope, Specs
from flopsight.cost import Cost, TensorSpec
from flopsight.errors import ProfileFormatError
from flopsight.record import Record

FORMAT = 1
_FORMATS = 1000  # a number beyond is no version
LARGEST_BYTES = 2**29
"""A file that holds more, unpacked, is no profile: that of a training step of 126 layers has one megabyte."""


def _tensor(spec: TensorSpec) -> list[Any]:
    return [list(spec.shape), spec.dtype, *([] if spec.stored is None else [spec.stored])]


def _specs(specs: Specs) -> Any:
    if isinstance(specs, TensorSpec):
        return _tensor(specs)
    return None if specs is None else {"list": [_specs(spec) for spec in specs]}


def _read_tensor(data: list[Any]) -> TensorSpec:
    return TensorSpec(tuple(data[0]), *data[1:])


def _read_specs(data: Any) -> Specs:
    if isinstance(data, dict):
        return tuple(_read_specs(item) for item in data["list"])
    return None if data is None else _read_tensor(data)


def to_dict(profile: Record) -> dict[str, Any]:
    """The profile as plain values, in the schema of this module's docstring."""
    from flopsight import __version__

    return {
        "flopsight": __version__,
        "format": FORMAT,
        "model": profile.model,
        "root": profile.root,
        "notes": list(profile.notes),
        "about": dict(profile.about),
        "operations": [
            {
                "operator": op.operator,
                "family": op.family,
                "inputs": {name: _specs(specs) for name, specs in op.inputs.items()},
                "arguments": dict(op.arguments),
                "outputs": [_tensor(spec) for spec in op.outputs],
                "cost": None if op.cost is None else op.cost.to_dict(),
                "dtype": op.dtype,
                "source": op.source,
                "reason": op.reason,
                "site": op.site,
            }
            for op in profile.operations
        ],
        "scopes": [list(scope) for scope in profile.scopes],
        "calls": [list(call) for call in profile.calls],
        "modules": [
            {
                "path": node.path,
                "kind": node.kind,
                "calls": node.calls,
                "inputs": [_tensor(spec) for spec in node.inputs],
                "outputs": [_tensor(spec) for spec in node.outputs],
                "parameters": [[p.name, _tensor(p.spec), p.trainable, p.buffer, p.identity] for p in node.parameters],
            }
            for node in profile.modules.values()
        ],
        **({"storages": [_storage(each) for each in profile.storages]} if profile.storages else {}),
    }


def _storage(storage: Allocation) -> list[Any]:
    return [_tensor(value) if isinstance(value, TensorSpec) else value for value in storage]


def _read_storage(data: list[Any]) -> Allocation:
    kind, nbytes, spec, *rest = data
    return Allocation(kind, nbytes, _read_tensor(spec), *rest)


def fields(data: dict[str, Any]) -> dict[str, Any]:
    """The fields of the `Record` that `to_dict` wrote. Raises: ProfileFormatError."""
    found = data.get("format") if isinstance(data, dict) else None
    if type(found) is not int or not 1 <= found < _FORMATS:
        raise ProfileFormatError("This is no saved profile: it has no 'format'. Save one with profile.save(path).")
    if found > FORMAT:
        raise ProfileFormatError(
            f"This profile has format {found}, written by flopsight {str(data.get('flopsight'))[:20]}; this flopsight "
            f"reads up to {FORMAT}. Upgrade it with: pip install --upgrade flopsight"
        )
    try:
        schema.check(data)
        return _fields(data)
    except (TypeError, schema.Damaged) as error:  # a `Cost` with a field of another name is a TypeError
        raise ProfileFormatError(f"This saved profile is damaged: {error}.") from error


def _fields(data: dict[str, Any]) -> dict[str, Any]:
    operations = [
        Operation(
            operator=op["operator"],
            family=op["family"],
            inputs={name: _read_specs(specs) for name, specs in op["inputs"].items()},
            arguments=op["arguments"],
            outputs=tuple(map(_read_tensor, op["outputs"])),
            cost=None if op["cost"] is None else Cost(**op["cost"]),
            dtype=op["dtype"],
            source=op["source"],
            reason=op["reason"],
            site=op["site"],
        )
        for op in data["operations"]
    ]
    modules = {
        node["path"]: ModuleNode(
            path=node["path"],
            kind=node["kind"],
            calls=node["calls"],
            inputs=tuple(map(_read_tensor, node["inputs"])),
            outputs=tuple(map(_read_tensor, node["outputs"])),
            parameters=tuple(
                ParameterRecord(name, _read_tensor(spec), trainable, buffer, identity)
                for name, spec, trainable, buffer, identity in node["parameters"]
            ),
        )
        for node in data["modules"]
    }
    return {
        "model": data["model"],
        "operations": operations,
        "scopes": [Scope(*scope) for scope in data["scopes"]],
        "calls": [(operation, scope, phase) for operation, scope, phase in data["calls"]],
        "modules": modules,
        "storages": list(map(_read_storage, data.get("storages", []))),
        "root": data["root"],
        "notes": data["notes"],
        "about": data["about"],
    }


def dump(data: dict[str, Any], path: Path) -> None:
    """Write plain values to `path` as JSON, compressed if the name ends in `.gz`."""
    text = json.dumps(data, separators=(",", ":"))
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    else:
        path.write_text(text, encoding="utf-8")


def read(path: Path) -> Any:
    """The plain values that a file holds. Raises: FileNotFoundError, ProfileFormatError."""
    with path.open("rb") as file:
        try:
            return json.loads(_text(file), object_pairs_hook=_object)
        except (ValueError, gzip.BadGzipFile, EOFError, zlib.error, RecursionError) as error:
            raise ProfileFormatError(
                f"{path} is no saved profile: {error}. Save one with profile.save(path)."
            ) from error


def _text(file: BufferedReader) -> bytes:
    """What a file holds, unpacked. Raises: ValueError for more than a profile does, and what gzip raises."""
    source = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file
    text = source.read(LARGEST_BYTES + 1)
    if len(text) > LARGEST_BYTES:
        raise ValueError(f"it holds more than {LARGEST_BYTES // 2**20} MiB")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, each key once. Raises: ValueError."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return made
