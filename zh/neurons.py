"""Neurons, layers and a multi-layer perceptron made of single `Value`s.

The shapes are those of micrograd (A. Karpathy, 2020): a neuron is a weighted
sum, a bias and an activation; a layer is a list of neurons that read the same
inputs; an MLP is a list of layers.

Weights are Python floats drawn one at a time, so the generator is a
`random.Random` and not a `torch.Generator`: nothing here needs torch, and
`random.Random(1337)` gives the very weights that micrograd draws after
`random.seed(1337)`, which makes the two comparable step for step.
"""

from numbers import Integral

from zh.autograd import Value

ACTIVATIONS = ("relu", "tanh", "sigmoid", "linear")


def weighted_sum(w, x, b):
    """w . x + b as one node, not as two nodes for every weight.

    The slope towards a weight is its input, towards an input its weight,
    towards b it is 1. w: n Values; x: n Values or numbers; b: a Value.
    The terms are added in the order b, w0 x0, w1 x1, ...
    """
    x = [x_i if isinstance(x_i, Value) else Value(x_i) for x_i in x]
    weights, inputs = [v.data for v in w], [v.data for v in x]
    total = b.data
    for weight, number in zip(weights, inputs, strict=True):
        total += weight * number
    return Value(total, "", "w·x+b", (*w, *x, b), (*inputs, *weights, 1.0))


def check_count(count, what):
    """ValueError unless `count` is a whole number from 1 up."""
    if not isinstance(count, Integral) or count < 1:
        why = "must be a whole number, 1 or more"
        raise ValueError(f"{what} {why}, not {count!r}")


def check_neuron(inputs, rng, activation):
    """Say what is wrong with the arguments of a Neuron, if anything is."""
    check_count(inputs, "the number of inputs")
    if not hasattr(rng, "uniform"):
        kind = type(rng).__name__
        raise TypeError(f"rng must be a random.Random(seed), not a {kind}")
    if activation not in ACTIVATIONS:
        why = f"expected one of {', '.join(ACTIVATIONS)}"
        raise ValueError(f"activation {activation!r}: {why}")


class Neuron:
    """activation(w . x + b): weights from uniform(-1, 1), a bias of 0."""

    def __init__(self, inputs, rng, activation="tanh"):
        check_neuron(inputs, rng, activation)
        self.w = [Value(rng.uniform(-1, 1)) for _ in range(inputs)]
        self.b = Value(0.0)
        self.activation = activation

    def __call__(self, x):
        if len(x) != len(self.w):
            why = f"{len(self.w)} weights, but got {len(x)} inputs"
            raise ValueError(f"this neuron has {why}")
        total = weighted_sum(self.w, x, self.b)
        if self.activation == "linear":
            return total
        return getattr(total, self.activation)()

    def parameters(self):
        return [*self.w, self.b]

    def __repr__(self):
        return f"Neuron({len(self.w)}, {self.activation})"


class Layer:
    """Neurons side by side: takes a list of numbers, gives a list of Values."""

    def __init__(self, inputs, outputs, rng, activation="tanh"):
        check_count(outputs, "the number of neurons of a layer")
        self.neurons = [Neuron(inputs, rng, activation) for _ in range(outputs)]

    def __call__(self, x):
        return [neuron(x) for neuron in self.neurons]

    def parameters(self):
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self):
        return f"Layer({', '.join(map(repr, self.neurons))})"


class MLP:
    """Layers in a row: `MLP(3, [4, 4, 1], rng)` reads 3 numbers, gives a Value.

    inputs: how many numbers an example has.
    sizes: the number of neurons in each layer.
    rng: a `random.Random`.
    activation: of the hidden layers; output: of the last layer.
    A last layer of several neurons returns a list, one neuron its Value.
    """

    def __init__(self, inputs, sizes, rng, activation="tanh", output="linear"):
        if not isinstance(sizes, list | tuple) or not sizes:
            why = "sizes lists the neurons of each layer, as in [4, 4, 1]"
            raise ValueError(f"{why}; got {sizes!r}")
        kinds = [activation] * (len(sizes) - 1) + [output]
        widths = [inputs, *sizes[:-1]]
        self.layers = [
            Layer(width, size, rng, kind)
            for width, size, kind in zip(widths, sizes, kinds, strict=True)
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x[0] if len(x) == 1 else x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]

    def zero_grad(self):
        """Set every parameter's grad to 0, as `backward()` only ever adds."""
        for p in self.parameters():
            p.grad = 0.0

    def __repr__(self):
        layers = ", ".join(map(repr, self.layers))
        return f"MLP of {len(self.parameters())} parameters ({layers})"
