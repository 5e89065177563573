"""A GPT: the model, what training it needs, checkpoints of others, and a command.

`model`: the network and how it writes. `fit`: optimizer, batches, evaluation.
`python -m zh.gpt`: train on a text of your own, and write from what was trained.
"""
from zh.gpt.fit import draw_blocks, evaluate, optimizer
from zh.gpt.model import GPT, Block, GPTConfig, window

__all__ = ["GPT", "Block", "GPTConfig", "draw_blocks", "evaluate", "optimizer", "window"]
