"""What a computation costs, measured by PyTorch: operations, bytes that are kept, bytes of states.

    operations(lambda: model.loss(x, y).backward())       # of matrix products, attention included
    bytes_, tensors = saved(lambda: model.loss(x, y), model)

The counts that they are compared with are those of `zh.sizes`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def operations(run: Callable[[], object], fused: bool = False) -> int:
    """Operations of the matrix products in `run()`, two for each product that is added.

    PyTorch's counter knows nothing of the fused attention kernel of a processor: it counts 0 for
    it. So attention runs here as plain products; fused: leave it as it is.
    """
    counter = FlopCounterMode(display=False)
    kernels = list(SDPBackend.__members__.values()) if fused else [SDPBackend.MATH]
    kernels = [kernel for kernel in kernels if kernel != SDPBackend.ERROR]
    with counter, sdpa_kernel(kernels):
        run()
    return counter.get_total_flops()


def saved(run: Callable[[], object],
          model: torch.nn.Module) -> tuple[int, list[torch.Tensor]]:
    """Bytes that autograd keeps of `run()` for the way back, and the tensors.

    A storage that several operations keep counts once; the parameters of
    `model` do not count: they are there anyway.
    """
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        out = run()
    tensors = [tensor for at, tensor in kept.items() if at not in own]
    del out
    return sum(t.untyped_storage().nbytes() for t in tensors), tensors


def bytes_of(tensors: Iterable[torch.Tensor | None]) -> int:
    """Bytes of some tensors: parameters, gradients, states."""
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def states(optimizer: torch.optim.Optimizer) -> Iterable[torch.Tensor]:
    """The tensors that an optimizer keeps from step to step."""
    return (value for state in optimizer.state.values() for value in state.values()
            if isinstance(value, torch.Tensor))
