"""The book's pictures: `base` has the one style, one module a chapter its figures."""

from zh.plots.activations import (
    activation_gallery,
    born,
    deaths,
    extremes,
    hinges,
    recycled,
)
from zh.plots.attention import (
    attention_maps,
    by_place,
    looks_back,
    relative,
    sharpness,
)
from zh.plots.backprop import finals, nudge, paths, tangents, value_graph
from zh.plots.base import (
    BLUE,
    GREEN,
    GREY,
    INK,
    OLIVE,
    ORANGE,
    PALETTE,
    PAPER,
    PINK,
    forget,
    inline_svg,
    new,
    raw_svg,
    style,
    to_svg,
)
from zh.plots.batchnorm import (
    dependence,
    explosion,
    ghost_runs,
    growing,
    jitters,
    momenta,
)
from zh.plots.bigrams import (
    approach,
    counts_map,
    inverse,
    orders,
    smoothed_row,
    sweep,
    trade,
)
from zh.plots.clinic import (
    clinic_beside,
    clinic_seen,
    clinic_table,
)
from zh.plots.diagnostics import (
    activation_histograms,
    gradient_histograms,
    update_ratios,
    weight_gradient_histograms,
)
from zh.plots.dynamics import (
    dashboards,
    fingerprint,
    fitted,
    pulled_out,
    scheduled,
    snapshot,
)
from zh.plots.encoder_decoder import (
    cross_map,
    exact_bars,
    exact_curves,
    exact_dots,
    exact_race,
    found_by_beam,
    looks_and_matters,
    three_masks,
    two_readings,
)
from zh.plots.gpt import (
    by_depth,
    gpt_table,
    learned,
    next_bars,
    over_places,
    shares,
    token_times,
    with_depth,
)
from zh.plots.initialization import (
    cobweb,
    confidence,
    depth_profile,
    escape,
    first_steps,
    into_tanh,
    phases,
    symmetry,
    width_drift,
)
from zh.plots.intro import sureness
from zh.plots.mlp import (
    by_seen,
    cosines,
    fitting,
    mixing,
    pairs_of_distances,
    passage,
    schedules,
    size_sweep,
    to_floor,
    unseen,
    valley,
)
from zh.plots.post_training import (
    against_equal,
    bought,
    by_multiplier,
    hacked,
    kl_frontier,
    learned_taste,
    rewarded,
)
from zh.plots.scaling import (
    budgets,
    forecasts,
    kept_by_context,
    memory_parts,
    runs_beside,
)
from zh.plots.tensor_backprop import (
    bessel,
    dots,
    gradient_map,
    pushes,
    seconds_table,
    training,
    who_pays,
)
from zh.plots.tokenization import (
    compression,
    language_shares,
    languages,
    moved,
    number_cuts,
    pieces,
    two_losses,
    visible,
    work,
)
from zh.plots.wavenet import (
    budget,
    flat_context,
    forgotten,
    ladder_table,
    lectures_table,
    mean_spread,
    reach,
    rungs,
    smoothed,
    steps_table,
    strangers,
    table,
)
