"""The contract of a method, on those of config.yaml's quick suite and OT-CFM, on every network.

The properties are those of ``make check``. What is particular to a method is tested in the file of
its name.
"""

import math

import pytest
import torch
import yaml
from torch import nn

from benchmark import model
from benchmark.contract import clock, density, divergence, loss, precision, rows, saved
from benchmark.contract.subject import Subject
from benchmark.coordinates import Affine
from benchmark.flow import ClosedForm
from benchmark.model import Model
from benchmark.names import load
from benchmark.networks.network import AXES, Network
from benchmark.ode import Tolerance
from benchmark.shapes import PositiveInt
from benchmark.source import ROOT
from tests.test_controls import rows_of


class Bend(Network):
    """A network of a user: it knows nothing of this benchmark but ``Network``."""

    def __init__(self, event: tuple[int, ...], width: PositiveInt):
        super().__init__()
        self.opening = nn.Linear(math.prod(event) + 1, width)
        self.closing = nn.Linear(width, math.prod(event))

    def forward(self, t, x):
        rows = x.flatten(1)
        hidden = self.opening(torch.cat([rows, t.reshape(-1, 1).expand(len(rows), 1)], dim=1))
        return self.closing(torch.sin(hidden)).reshape(x.shape)


SIZE = {"width": 8, "depth": 2, "time_frequencies": 2, "space_frequencies": 2}
MLP = {"class": "benchmark.networks.mlp.MLP", **SIZE}
UNET = {"channels": 4, "multipliers": [1, 2], "residual_blocks": 1, "attention": [2], "heads": 2}
NETWORKS = {
    "mlp": MLP,
    "gated mlp": {**MLP, "gated": True},
    "concatsquash": {
        "class": "benchmark.networks.concatsquash.ConcatSquashMLP",
        **{"width": 8, "depth": 2},
    },
    "unet": {"class": "benchmark.networks.unet.UNet", **UNET},
    "of a user": {"class": f"{__name__}.Bend", "width": 8},
}

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())["suites"]["quick"]["methods"]
OT_CFM = {"class": "benchmark.baselines.ot_cfm.OTCFM", "model": {"network": MLP}}
METHODS = {**CONFIG, "ot_cfm": OT_CFM}
SMALL = {
    "ffjord": {"atol": 1e-3, "rtol": 1e-3},  # its training solves
    "ot_flow": {"width": 8},
    # An untrained Score-SDE spreads over exp(beta_max / 4).
    "score_sde": {"sde": {"kind": "vp", "beta_max": 1.0}},
}
"""Replaces arguments of config.yaml, to be quick."""

ROUGH = Tolerance(1e-6, 1e-6)
COARSE = Tolerance(1e-3, 1e-3)
VECTOR, IMAGE = (3,), (1, 4, 4)


def kind(name):
    return load(METHODS[name]["class"])


def is_flow(name):
    return not issubclass(kind(name), ClosedForm)


def arguments(name, network=None):
    """Those of ``build`` of method ``name``, with a network of these or, small, its own."""
    given = {**METHODS[name]["model"], **SMALL.get(name, {})}
    if network:
        given["network"] = NETWORKS[network]
    elif "network" in given:
        own = given["network"]
        given["network"] = {key: SIZE.get(key, value) for key, value in own.items()}
    if "density" in kind(name).requires:
        given["density"] = "benchmark.densities.eight_gaussians"
    return given


def subject(name, event=(2,), network=None):
    return Subject(METHODS[name]["class"], arguments(name, network), event)


def build(name, event=(2,), network=None):
    return subject(name, event, network).build()


def perturbed(name, event=(2,), network=None):
    return subject(name, event, network).perturbed()


def taking(event):
    """Networks that take rows of this shape."""
    kinds = {name: load(network["class"]) for name, network in NETWORKS.items()}
    return [name for name, network in kinds.items() if AXES[len(event)] in network.takes]


FLOWS = [name for name in METHODS if is_flow(name)]
CLOSED = [name for name in METHODS if not is_flow(name)]
UNTRAINED = [name for name in METHODS if not kind(name).trained]
TRAINED = [name for name in METHODS if kind(name).trained]
ANYWHERE = [name for name in FLOWS if "network" in METHODS[name]["model"]]
KNOWN = [name for name in FLOWS if "density" in kind(name).requires]
ALONE = [name for name in FLOWS if name not in ANYWHERE]
EVENTS = [
    *((name, None, (2,) if name in KNOWN else VECTOR) for name in ALONE),  # a density of the plane
    *(
        (name, network, event)
        for name in ANYWHERE
        for event in (VECTOR, IMAGE)
        for network in taking(event)
    ),
]
TRAINED_EVENTS = [case for case in EVENTS if case[0] not in UNTRAINED]
SOME_EVENTS = [case for case in EVENTS if case[0] == ANYWHERE[0] or case[1] in (None, "mlp")]
"""Every method, and every network: what a solver makes of a velocity depends on nothing else."""
PLANE = [(name, network) for name, network, event in SOME_EVENTS if len(event) == 1]

every_method = pytest.mark.parametrize("name", METHODS)
every_flow = pytest.mark.parametrize("name", FLOWS)
every_event = pytest.mark.parametrize(("name", "network", "event"), EVENTS)
every_trained_event = pytest.mark.parametrize(("name", "network", "event"), TRAINED_EVENTS)
every_flow_of_the_plane = pytest.mark.parametrize(("name", "network"), PLANE)
some_events = pytest.mark.parametrize(("name", "network", "event"), SOME_EVENTS)


def test_there_are_methods_of_every_kind_and_networks_for_every_shape():
    assert FLOWS and CLOSED and ANYWHERE and ALONE and set(UNTRAINED) > set(CLOSED)
    assert taking(VECTOR) == [name for name in NETWORKS if name != "unet"]
    assert taking(IMAGE) == list(NETWORKS)


def right(finding):
    """Asserts that a property is there; what it says otherwise is the message."""
    assert finding.right, finding


@every_event
def test_velocity_acts_on_each_sample_alone(name, network, event):
    right(rows.alone(perturbed(name, event, network), event))


@every_event
def test_as_many_rows_as_coordinates_and_a_time_for_each_make_no_difference(name, network, event):
    right(rows.square(perturbed(name, event, network), event))


@every_event
def test_divergence_is_the_trace_of_the_jacobian(name, network, event):
    right(divergence.divergence(perturbed(name, event, network), event))


@every_trained_event
def test_loss_is_a_scalar_whose_gradient_reaches_every_weight(name, network, event):
    method = perturbed(name, event, network)
    right(loss.gradient(method, event))
    for parameter, weights in method.named_parameters():  # of these networks, each number
        assert weights.grad.ne(0).all(), parameter


@every_trained_event
def test_loss_goes_down(name, network, event):
    right(loss.goes_down(subject(name, event, network)))


@pytest.mark.parametrize("name", TRAINED)
def test_loss_pairs_no_rows(name):
    right(loss.pairs_no_rows(perturbed(name), (2,)))


@pytest.mark.parametrize("name", TRAINED)
def test_loss_has_no_memory(name):
    right(loss.forgets(perturbed(name), (2,)))


@pytest.mark.parametrize(
    ("name", "prepare"),
    [(name, build) for name in FLOWS] + [(name, perturbed) for name in FLOWS if kind(name).trained],
)
def test_density_integrates_to_one_and_is_that_of_the_samples(name, prepare):
    # Coordinates with unlike scales: a missing or flipped log-determinant is a factor of 36.
    coordinates = Affine(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 12.0]))
    found = density.integrals(Model(prepare(name), coordinates, Tolerance(1e-5, 1e-5)))
    right(found.has_mass_one())
    right(found.is_of_samples())


@every_flow_of_the_plane
@pytest.mark.parametrize("t", [0.6, 1.0])
def test_log_prob_is_the_change_of_variables_of_what_is_carried(name, network, t):
    right(density.changes_variables(perturbed(name, (2,), network), (t,)))


@some_events
def test_the_way_there_and_back_ends_where_it_began(name, network, event):
    right(density.returns(perturbed(name, event, network), event))


@every_flow
def test_density_at_the_start_is_that_of_the_base(name):
    right(density.starts_at_base(perturbed(name), (2,)))


@every_method
def test_saved_methods_are_restored_exactly(name, tmp_path):
    method = perturbed(name)
    method.initialise(rows_of(torch.randn(100, 2) + 3))
    coordinates = Affine(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 12.0]))
    right(saved.restored(subject(name), Model(method, coordinates, COARSE), tmp_path))


@every_method
def test_nothing_is_trained_before_the_first_step(name):
    right(clock.nothing_before_steps(subject(name), rows_of(torch.randn(100, 2) + 3)))


@every_method
def test_affine_coordinates_change_the_density_by_their_determinant(name):
    method, x = perturbed(name), torch.randn(20, 2)
    shift, scale = torch.tensor([0.3, -0.2]), torch.tensor([0.5, 3.0])
    found = Model(method, Affine(shift, scale), COARSE).log_prob(x)
    inside = method.log_prob((x - shift) / scale, COARSE).values
    torch.testing.assert_close(found, inside - math.log(1.5))


@every_flow
def test_single_precision_weights_are_solved_in_double(name):
    right(precision.in_double(perturbed(name), (2,)))


@every_method
def test_protocol_tells_how_numbers_were_computed(name):
    found = build(name).protocol(Tolerance(1e-3, 1e-4))
    if is_flow(name):
        assert found == {"solver": "dopri5", "atol": 1e-3, "rtol": 1e-4, "divergence": "exact"}
    else:
        assert found == {"solver": "none (closed form)"}


@pytest.mark.parametrize("name", UNTRAINED)
def test_what_is_not_trained_has_no_loss(name):
    method = build(name)
    assert not list(method.parameters())
    with pytest.raises(TypeError, match="no training loss.*Set train.steps to 0"):
        method.loss(torch.randn(5, 2))


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_solve_no_ode(name):
    method = build(name)
    values, nfe, *_ = method.log_prob(torch.randn(5, 2).float(), ROUGH)
    assert nfe == 0 and values.dtype == torch.float64
    assert method.sample(5, ROUGH).nfe == 0


def test_build_names_the_class_that_is_no_method():
    with pytest.raises(ValueError, match="'benchmark.interpolants.Linear' is not a subclass"):
        model.build("benchmark.interpolants.Linear", (2,), {})
    with pytest.raises(ImportError, match="module benchmark.interpolants has no 'Lineal'"):
        model.build("benchmark.interpolants.Lineal", (2,), {})
