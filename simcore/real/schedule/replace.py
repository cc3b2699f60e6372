"""A module put in another's place, with the hooks that stand there; importing this module needs torch.

Slapo's users lost hooks whenever a module was replaced (awslabs/slapo, issues 27 and 52): a sum over ranks is one.
"""

from __future__ import annotations

from torch import nn

_HOOKS = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_backward_pre_hooks", "_backward_hooks",
)  # fmt: skip


def put(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module where another one stands, with its hooks and its mode."""
    parent, _, name = path.rpartition(".")
    old = root.get_submodule(path)
    if module is old:
        return
    for hooks in _HOOKS:
        getattr(module, hooks).update(getattr(old, hooks))
    module.train(old.training)
    setattr(root.get_submodule(parent) if parent else root, name, module)
