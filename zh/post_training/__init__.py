"""What is done to a language model after pretraining, on a GPT of names.

`requests`: questions and answers as tokens; `sums`: questions of another kind. `recipes`:
pretraining, and supervised finetuning with the loss on the answer only. `policy`: policy gradient
with a KL penalty. `taste`: a rater, as a program. `reward`: a reward model from comparisons. `dpo`:
comparisons without a reward model. `exact`: a toy in which all of it has a closed form. `transfer`:
learning rates by layer. `flattery`: what raters who like agreement bring about.

Left out: several updates a batch (PPO's clipping), a learnt baseline, rewards for steps of thought.
"""
