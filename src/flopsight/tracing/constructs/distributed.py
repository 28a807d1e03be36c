"""Models of several processes: what PyTorch's wrappers keep beside the modules, put back as it was.

`fully_shard` (FSDP2) keeps for each module which parameters are gathered, in objects of its own.
`DistributedDataParallel` has a reducer in C++, which would take the gradients of a run for real ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload

from flopsight.tracing.place import called_by

_FSDP = "torch.distributed.fsdp._fully_shard._fsdp_state"
_STATES = "torch.distributed._composable_state"
_DDP = "torch.nn.parallel.distributed"
_DTENSOR = "torch.distributed.tensor"
_SHARDING = "torch/distributed/tensor/_sharding_prop.py"
_active_mode = torch._C._get_dispatch_mode
_FAKE_MODE = torch._C._TorchDispatchModeKey.FAKE
_CONTAINERS = ("_state_dict_pre_hooks", "_load_state_dict_pre_hooks")
"""Where FSDP2 registers hooks with its first forward."""


class WrapperState:
    """What the wrappers of modules keep, to be put back.

    reduces: whether `DistributedDataParallel` joins the gradients of the processes, as it does if they are real.
    """

    def __init__(self) -> None:
        self.reduces = False
        self._fsdp: Any = sys.modules.get(_FSDP)
        self._ddp: Any = sys.modules.get(_DDP)
        self._attributes: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._containers: list[tuple[Any, Any]] = []
        self._gathered: list[tuple[Any, list[tuple[torch.Tensor, int]]]] = []

    def keep(self, modules: list[nn.Module]) -> None:
        """Note the wrappers' state of modules, and keep reducers from what the run does."""
        if self._fsdp is not None and sys.modules[_STATES]._module_state_mapping:
            for module in modules:
                if (state := self._fsdp._get_module_fsdp_state(module)) is not None:
                    self._keep_fsdp(module, state)
        if self._ddp is not None and not self.reduces:
            wrapper = self._ddp.DistributedDataParallel
            kinds = {kind for kind in set(map(type, modules)) if issubclass(kind, wrapper)}
            for module in modules if kinds else ():
                if type(module) in kinds:
                    module.__dict__["reducer"] = _NoReducer()  # the module's attributes are put back as a whole

    def _keep_fsdp(self, module: nn.Module, state: Any) -> None:
        for name in _CONTAINERS:
            value = getattr(module, name)
            self._containers.append((value, value.copy()))
        for held in (state, state._state_ctx, state._comm_ctx):
            self._keep_attributes(held)
        for group in _groups(state):
            if self._keep_attributes(group):
                self._keep_attributes(group.comm_ctx)
                for parameter in group.fsdp_params:
                    self._keep_attributes(parameter)
                self._gathered.append((group, list(_sizes(group))))

    def _keep_attributes(self, held: Any) -> bool:
        if id(held) in self._attributes:
            return False
        attributes = vars(held)
        self._attributes[id(held)] = (held, attributes.copy())
        for value in attributes.values():
            if type(value) in (dict, list, set):
                self._containers.append((value, value.copy()))
        return True

    def restore(self) -> None:
        """Put back whatever changed since `keep`. Parameters whose gathered values are gone are left sharded."""
        for value, before in self._containers:
            value.clear()
            value.extend(before) if type(value) is list else value.update(before)
        for held, attributes in self._attributes.values():
            vars(held).clear()
            vars(held).update(attributes)
        for group, sizes in self._gathered:
            lost = False
            for tensor, size in sizes:
                storage = tensor.untyped_storage()
                lost = lost or storage.size() < size
                if storage.size() > size:
                    storage.resize_(size)
            if lost:
                group._to_sharded()


def distributed_tensor() -> type | None:
    """The class of tensors of which each process holds a part; None if there can be none."""
    return getattr(sys.modules.get(_DTENSOR), "DTensor", None)


def is_sharding_rule() -> bool:
    """Whether `DTensor` is finding out the shape of a result: it does so on whole tensors, in PyTorch's fake mode.

    That mode may also be the user's own.
    """
    return _active_mode(_FAKE_MODE) is not None and called_by(_SHARDING)


def collective(func: OpOverload, args: tuple[Any, ...]) -> Any:
    """What an operator between processes returns, for the versions of PyTorch that have no meta kernel of it.

    That is its first argument, where the schema has a tensor among the results, and a handle of work that is done.
    """
    returned = len(func._schema.returns)
    work = _work().boxed() if returned else None
    return [args[0], work] if returned == 2 else work


def _work() -> Any:
    """PyTorch's own stand-in for work that is done, of which `DistributedDataParallel` takes no gradients."""
    c10d: Any = torch._C._distributed_c10d
    if hasattr(c10d, "FakeWork"):
        return c10d.FakeWork()
    return c10d.FakeProcessGroup(0, 1).allreduce([torch.empty(0)])  # PyTorch 2.6 makes it there alone


def awaited_gradients(error: Exception) -> bool:
    """Whether an error is that of a reducer which was waiting for real gradients, and got those of the run."""
    return "c10d/comm.cpp" in str(error)


def _groups(state: Any) -> list[Any]:
    """The groups of parameters of a sharded module; older versions of PyTorch have one at most."""
    several = getattr(state, "_fsdp_param_groups", None)
    if several is not None:
        return list(several)
    return [] if state._fsdp_param_group is None else [state._fsdp_param_group]


def _sizes(group: Any) -> Iterator[tuple[torch.Tensor, int]]:
    """The real tensors that hold gathered parameters, with their size in bytes: FSDP2 frees and fills their memory."""
    for parameter in group.fsdp_params:
        for tensor in (*parameter.all_gather_outputs, *parameter._unsharded_inner_tensors):
            yield tensor, tensor.untyped_storage().size()


class _NoReducer:
    """Stands for the reducer of `DistributedDataParallel`: gradients stay with the process."""

    def prepare_for_forward(self) -> None:
        """Nothing to prepare."""

    def prepare_for_backward(self, outputs: list[torch.Tensor]) -> None:
        """Nothing to prepare."""

    def _rebuild_buckets(self) -> bool:
        return False

    def _set_forward_pass_work_handle(self, *_: Any) -> None:
        """No other process waits."""
