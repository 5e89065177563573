"""A GPT: the model, what training it needs, checkpoints of others, and a command.

model        the network, and how it writes
fit          what training needs beside `zh.training`: optimizer, batches, evaluation
recipes      two long runs, with all that they depend on
pretrained   checkpoints of Hugging Face's GPT-2, read and written
vocabulary   the tokenizers beside them
runs, show   a run in a folder, and what it shows of itself: `python -m zh.gpt`

`python -m zh.gpt train --text FILE` trains on a text of your own, `... sample FOLDER` writes.
"""
from zh.gpt.fit import draw_blocks, evaluate, optimizer
from zh.gpt.model import GPT, Block, GPTConfig, window

__all__ = ["GPT", "Block", "GPTConfig", "draw_blocks", "evaluate", "optimizer", "window"]
