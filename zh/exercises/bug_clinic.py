"""The diagnoses of the bug clinic: one choice a case. Each wrong one names what speaks against it.

The right choice is no longer than the others as a rule: its length must tell nothing.
"""
from __future__ import annotations

from zh.exercises import Exercise

INPUTS = "The targets are the inputs."
MASK = "Places can see what comes after them."
DOUBLES = "Names of the training set stand in the held-out set."
SAME = "Both numbers are of the training set."
PADDING = "Padding is counted as if it were letters."
APART = "Contexts and answers were shuffled apart."
DEAD = "A layer's biases start far below zero."
ZEROS = "All weights start at zero."
NO_RESIDUAL = "Residual connections are missing."
LAST = "The last layer is not in the optimiser."
NO_ZERO = "Gradients of earlier steps are never cleared."
TOO_HIGH = "The learning rate is far too high for this network."
DIVISOR = "The losses of the parts are added and not averaged."
ONE = "The last minibatch of an epoch has one example."
ALPHABETS = "The test set has an alphabet of its own."
AXIS = "The softmax runs over the wrong axis."
TRAIN_MODE = "The evaluation runs in training mode."
STALE = "The evaluation uses a tensor that is not of this model."
FLOAT32 = "A running sum in float32 loses what is added to it."
STEPS = "The two pictures are of different steps."
KEEPDIM = "A mean over the features is subtracted along the wrong axis."
REVERSED = "The learning rates of the layers are the other way round."
BY_HEART = "It has learnt the names of its training set by heart."
TOO_LOW = "The learning rate is far too low for this network."


def diagnosis(name: str, title: str, right: str, wrong: dict[str, str], because: str) -> Exercise:
    """One choice, its texts in the order of the alphabet."""
    return Exercise(f"clinic-{name}", title, minutes=3, kind="choice", answer=right,
                    choices=sorted([right, *wrong]), why=wrong, because=because)


EXERCISES = [
    diagnosis("nearly-zero", "The loss is nearly zero", INPUTS, {
        MASK: "Then it would be lost when nothing comes after, and write a jumble. It repeats "
              "what it has just read, without one slip.",
        BY_HEART: "Then it would write names. And so many names are not learnt in so few steps.",
        DOUBLES: "No held-out name was asked about: this is the training loss.",
    }, "It is asked for what it has just read, and says it."),
    diagnosis("good-until-it-writes", "Good until it writes", MASK, {
        INPUTS: "Then it would go on repeating the letter that it was given last.",
        BY_HEART: "The loss is as low on names that it never saw.",
        DOUBLES: "Whoever knows some names by heart writes names. This is a jumble.",
    }, "What comes after is there while it learns, and missing when it writes."),
    diagnosis("as-good-on-new", "As good on new names", DOUBLES, {
        "The friend's names are simply harder to foretell than mine.":
            "Guessing evenly costs less than it pays on them. It is sure of itself there, and "
            "wrong: that is the mark of a network that knows its examples by heart.",
        SAME: "Then it would be no higher than the loss on the minibatches, on which the network "
              "is still learning. It is clearly higher.",
        TRAIN_MODE: "There is no layer that would behave differently in it.",
    }, "The friend's list is the only one that is new to it."),
    diagnosis("equal-to-the-last-digit", "Equal to the last digit", SAME, {
        DOUBLES: "Then the two would be near each other. Equal in every digit they would not be.",
        "It generalises perfectly.": "Two different sets of names never cost exactly the same.",
        TRAIN_MODE: "There is no layer that would behave differently in it. And in either mode two "
                    "sets of names have two losses.",
    }, "Two sets have two losses."),
    diagnosis("better-than-it-writes", "Better than it writes", PADDING, {
        INPUTS: "Then the loss would go on to zero.",
        MASK: "Then it would fall much lower: what comes after can be copied.",
        BY_HEART: "The loss is as low on names that it never saw.",
    }, "Behind a name there is only padding, and to foretell it is no merit."),
    diagnosis("stuck-at-one-number", "Stuck at one number", APART, {
        ZEROS: "The hidden weights have a size, and the hidden units differ between examples.",
        DEAD: "All hidden units move with the example.",
        TOO_LOW: "A step moves the weights by more than a thousandth. It is enough to learn the "
                 "frequencies, and it goes no further.",
    }, "It learns all that can be learnt of answers that have nothing to do with the contexts."),
    diagnosis("stuck-with-relu", "The same number, with ReLU", DEAD, {
        APART: "Then the hidden units would move with the example.",
        ZEROS: "The hidden weights have a size.",
        TOO_LOW: "The step is not small. It is exactly zero.",
    }, "The weights have a sound size, and nothing comes out: what is added keeps it below zero."),
    diagnosis("stuck-with-tanh", "The same number, with tanh", ZEROS, {
        APART: "Then the hidden units would move with the example, and the weights would move.",
        "The tanh units are saturated.": "The weights have no size: nothing drives them there.",
        TOO_LOW: "The size of the weights itself is zero. They would have to start somewhere.",
    }, "Zero weights get zero gradients, and stay."),
    diagnosis("deeper-is-worse", "Deeper is worse", NO_RESIDUAL, {
        BY_HEART: "It is the training loss that is worse.",
        TOO_HIGH: "Then the curve would jump. This one is flat.",
        APART: "The same data and one layer: the loss goes below the frequencies.",
    }, "What the letters say is lost in the layers before it reaches the scores."),
    diagnosis("half-of-it-learns", "Worse than frequencies", LAST, {
        APART: "Then it would still learn how frequent each letter is, with the last biases.",
        DEAD: "All hidden units move with the example.",
        TOO_LOW: "A step moves the hidden weights by some thousandths.",
    }, "Frequencies are learnt by the biases of the last layer, and these do not move."),
    diagnosis("good-then-bad", "First better, then worse", NO_ZERO, {
        TOO_HIGH: "At a fifth of the rate it goes the same way, only later.",
        APART: "Then it would come to rest at the frequencies.",
        BY_HEART: "It is the training loss that rises.",
    }, "Every step is taken with the gradients of all steps before: they grow with time."),
    diagnosis("restless", "Never at rest", TOO_HIGH, {
        NO_ZERO: "Then the first steps would be as they should: the sum is still small.",
        APART: "Then the loss would come to rest at the frequencies.",
        DIVISOR: "This loop has no parts: it takes one step a minibatch.",
    }, "From the first step on, each jumps across the valley."),
    diagnosis("more-is-worse", "The same batch in parts", DIVISOR, {
        TOO_HIGH: "At the same rate the same examples, all at once, train well.",
        NO_ZERO: "Then the run with all of them at once would go wrong too.",
        TRAIN_MODE: "Nothing is evaluated, and no layer would behave differently.",
    }, "Eight gradients added are a step eight times as long."),
    diagnosis("always-at-the-same-step", "Always at the same step", ONE, {
        TOO_HIGH: "At a tenth of the rate it ends at the same step.",
        "One example has a letter that is no number.":
            "It could stand anywhere. The step is the last one of an epoch.",
        NO_ZERO: "Then the loss would rise for a while before, and later at a lower rate.",
    }, "One value has no spread: it is divided by n - 1."),
    diagnosis("worse-than-guessing", "Worse than guessing", ALPHABETS, {
        BY_HEART: "Its training loss is no better than a network of this size should have.",
        TRAIN_MODE: "There is no layer that would behave differently in it.",
        "The test set is too small.": "A small set is noisy, by a tenth perhaps. Not worse than "
                                      "an even guess.",
    }, "The same letters, and other numbers for them."),
    diagnosis("the-past-changes", "What comes later changes what was said", AXIS, {
        MASK: "There is a mask. Without one the loss would be far lower.",
        "Dropout is on while it is asked.": "It has none, and the same question gets the same "
                                            "answer.",
        "The vectors for the places are missing.":
            "That would be the same with text behind it and without.",
    }, "A place is divided by a sum in which later places stand."),
    diagnosis("order-matters", "The order of the questions", TRAIN_MODE, {
        DOUBLES: "That would make the loss lower, whatever the order.",
        FLOAT32: "A sum of so few numbers is off in the sixth digit.",
        "The last batch is smaller and counts as much.":
            "Thirty batches of 50 are 1,500: the last is as large as the others.",
    }, "Each batch is normalised by itself, so an answer depends on the company."),
    diagnosis("a-small-gap", "A small gap", STALE, {
        BY_HEART: "The loss on the training set, measured in the same way, is as much too high.",
        TRAIN_MODE: "It was put into evaluation mode, and the numbers do not depend on the batch.",
        DOUBLES: "That would make the held-out loss lower.",
    }, "In evaluation a normalisation subtracts what it saw in training, and no more."),
    diagnosis("the-order-of-a-sum", "A sum that depends on the order", FLOAT32, {
        DOUBLES: "It is the same list, in another order.",
        TRAIN_MODE: "It is a table of counts: it has no modes.",
        "Some probabilities are zero.": "Then the sum would be infinite in every order.",
    }, "Beside a sum in the millions, a small number loses its last digits."),
    diagnosis("ten-times-the-gradient", "Many times the gradient", STEPS, {
        TRAIN_MODE: "Nothing is evaluated: gradients are of steps of the training.",
        NO_ZERO: "Then the loss of at least one would rise after a while. Both train.",
        "The gradient of the first network vanishes with depth.":
            "Then it would shrink from the third layer down to the first. It is about as small in "
            "all three.",
    }, "At the same step the two gradients are of one size."),
    diagnosis("batches-of-32-only", "Batches of 32 only", KEEPDIM, {
        "The held-out contexts have the wrong length.":
            "The error names the number of examples, and not their length.",
        TRAIN_MODE: "Then it would run, and give another number.",
        ONE: "The training ran to its end: it is the evaluation that stops.",
    }, "Thirty-two examples and thirty-two features: only there do both axes fit."),
    diagnosis("should-have-stayed", "A table that should have stayed", REVERSED, {
        TOO_HIGH: "The loss falls slowly, and without a jump.",
        DEAD: "Then its units would be dead, and the table below them would not move.",
        LAST: "It moves: little, but it moves.",
    }, "The layer that was to stand nearly still moves as the others do."),
]
