"""What a network does while it trains, in numbers, in pictures and in words.

    from zh.diagnostics import Recorder, diagnose
    with Recorder(model, every=10) as recorder:       # any torch.nn.Module, or a zh model
        for x, y in batches:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            recorder.step(loss)                       # once a step, after the optimizer
    print(diagnose(recorder))                         # what is wrong, where, what to try
    plots.update_ratios(recorder)                     # and the pictures, in zh.plots

`recorder` measures, `findings` reads the measurements; `zh.battery` breaks networks on purpose to
see whether they are read rightly.
"""

from zh.diagnostics.findings import LIMITS, Diagnosis, Finding, Limits, diagnose
from zh.diagnostics.recorder import LayerRecord, NonFinite, ParameterRecord, Record, Recorder
from zh.diagnostics.statistics import Values

__all__ = ["LIMITS", "Diagnosis", "Finding", "LayerRecord", "Limits", "NonFinite",
           "ParameterRecord", "Record", "Recorder", "Values", "diagnose"]
