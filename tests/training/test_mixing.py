from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import CONFIG, homes

from energy_dissagregation_mlops.training.data import TrainingData, TrainingSeries
from energy_dissagregation_mlops.training.mixing import mixed
from energy_dissagregation_mlops.training.sampling import Sampler

WINDOW, MARGIN = 64, 4
CPU = torch.device("cpu")
NAN = float("nan")


def batch_of(data, step=0, **changes):
    sampler = Sampler(data, replace(CONFIG, **changes), window_length=WINDOW, margin=MARGIN)
    draw = sampler.draw(step)
    return draw, mixed(data, draw, window_length=WINDOW, margin=MARGIN)


@pytest.fixture(scope="module")
def data():
    return TrainingData.of(homes(), window_length=WINDOW, margin=MARGIN, device=CPU)


def test_without_mixing_windows_are_as_measured(data):
    draw, batch = batch_of(data, replace=0.0, remove=0.0)
    for row, begin in enumerate(draw.begin):
        mains = data.mains[begin : begin + WINDOW]
        core = slice(begin + MARGIN, begin + WINDOW - MARGIN)
        power = data.power[:, core].masked_fill(mains[MARGIN:-MARGIN].isnan(), NAN)
        torch.testing.assert_close(batch.mains[row], mains, equal_nan=True)
        torch.testing.assert_close(batch.power[row], power, equal_nan=True)
        assert torch.equal(batch.on[row], data.on[:, core])


def test_what_goes_out_goes_out_of_the_mains_too(data):
    _, before = batch_of(data, replace=0.0, remove=0.0)
    _, after = batch_of(data, replace=0.0, remove=1.0)
    known = ~before.power.isnan()
    assert (after.power[known] == 0).all()
    assert not after.on[known].any()
    left = before.mains[:, MARGIN:-MARGIN] - before.power.nan_to_num(0).sum(dim=1)
    torch.testing.assert_close(after.mains[:, MARGIN:-MARGIN], left.clamp(min=0), equal_nan=True)


@pytest.mark.parametrize("step", range(5))
def test_what_comes_in_comes_into_mains_and_target_alike(data, step):
    _, empty = batch_of(data, step, replace=0.0, remove=1.0)
    draw, full = batch_of(data, step, replace=1.0, remove=0.0)
    assert draw.added.all()
    both = ~(full.power.isnan().any(dim=1))
    more = (full.mains - empty.mains)[:, MARGIN:-MARGIN]
    torch.testing.assert_close(more[both], full.power.sum(dim=1)[both], rtol=1e-4, atol=1e-2)


def test_the_target_of_an_appliance_without_a_meter_stays_unknown(data):
    draw, batch = batch_of(data, replace=1.0, remove=0.0, batch_size=50)
    unmetered = torch.from_numpy(draw.begin >= data.begin[1])
    assert unmetered.any()
    assert batch.power[unmetered, 1].isnan().all()
    assert not batch.power[~unmetered, 1].isnan().all()


def test_a_target_is_unknown_where_the_mains_are_missing(data):
    _, batch = batch_of(data, batch_size=300, active_share=0.0)
    missing = batch.mains[:, MARGIN:-MARGIN].isnan()
    assert missing.any()
    assert batch.power.transpose(1, 2)[missing].isnan().all()


def one_kettle(*, stretch, scale, place, levels=(1000, 1000, 1000, 1000), bend=1.0, warp=0.0, phase=0.0):
    """A house with one activation of these watts from sample 100 on, put into a window of an empty one."""
    power = np.zeros((1, 200), np.float32)
    power[0, 100 : 100 + len(levels)] = levels
    series = [
        TrainingSeries(
            name=name,
            start=0.0,
            sample_period=60.0,
            mains=np.full(200, 50, np.float32) + own[0],
            power=own,
            on=own > 50,
            metered=np.array([True]),
        )
        for name, own in (("a", power), ("b", np.zeros_like(power)))
    ]
    data = TrainingData.of(series, window_length=WINDOW, margin=MARGIN, device=CPU)
    sampler = Sampler(
        data, replace(CONFIG, batch_size=1, replace=1.0, remove=0.0, strangers=0.0),
        window_length=WINDOW, margin=MARGIN,
    )  # fmt: skip
    draw = replace(
        sampler.draw(0),
        begin=np.array([data.begin[1] + 10]),
        place=np.array([[place]]),
        stretch=np.array([[stretch]], np.float32),
        scale=np.array([[scale]], np.float32),
        bend=np.array([[bend]], np.float32),
        warp=np.array([[warp]], np.float32),
        warp_wave=np.array([[16.0]], np.float32),
        warp_phase=np.array([[phase]], np.float32),
    )
    return mixed(data, draw, window_length=WINDOW, margin=MARGIN)


def test_an_activation_comes_in_where_it_is_placed():
    batch = one_kettle(stretch=1.0, scale=1.0, place=30)
    # The middle of samples 100 to 103 is sample 102, which falls on 30: core sample 26.
    assert batch.power[0, 0].nonzero().flatten().tolist() == [24, 25, 26, 27]
    assert batch.on[0, 0].nonzero().flatten().tolist() == [24, 25, 26, 27]
    assert batch.power[0, 0, 25] == 1000
    assert batch.mains[0, 29] == 1050


def test_a_stretched_activation_has_so_many_times_the_energy_and_the_duration():
    batch = one_kettle(stretch=1.5, scale=0.8, place=30)
    assert batch.power.sum().item() == pytest.approx(4 * 1000 * 1.5 * 0.8, rel=0.02)
    assert batch.power.max().item() == pytest.approx(800)
    assert batch.on.sum().item() == 6


def test_what_lies_beyond_the_stretch_of_an_activation_adds_nothing():
    batch = one_kettle(stretch=0.05, scale=1.0, place=60)
    assert torch.isfinite(batch.power).all()
    assert batch.power[0, 0, :50].sum() == 0


def test_a_bend_lowers_what_draws_little_and_leaves_a_kilowatt():
    batch = one_kettle(stretch=1.0, scale=1.0, place=30, levels=(100, 1000, 1000, 2000), bend=1.25)
    found = batch.power[0, 0, 24:28].tolist()
    assert found == pytest.approx([1000 * 0.1**1.25, 1000, 1000, 1000 * 2**1.25], rel=1e-4)


@pytest.mark.parametrize("phase", np.linspace(0, 2 * np.pi, 7))
def test_a_warp_stretches_phases_unevenly_and_never_turns_them_round(phase):
    rising = tuple(range(100, 2100, 100))
    even, warped = (
        one_kettle(stretch=1.0, scale=1.0, place=28, levels=rising, warp=warp, phase=phase).power[0, 0]
        for warp in (0.0, 0.95)
    )
    assert not torch.equal(even, warped)
    rises = warped[: int(warped.argmax()) + 1].diff()
    assert (rises >= -1e-3).all() and rises.max() > 150 and rises[rises > 0].min() < 50


def with_rest(name, *, rest, metered, target=0.0):
    own = np.full((2, 400), target, np.float32)
    own[~np.array(metered)] = np.nan
    return TrainingSeries(
        name=name, start=0.0, sample_period=60.0, mains=np.full(400, rest + 2 * target, np.float32),
        power=own, on=np.zeros(own.shape, bool), metered=np.array(metered),
    )  # fmt: skip


def test_a_stranger_comes_into_the_mains_and_into_no_target():
    series = [
        with_rest("a:1", rest=100, metered=[True, True]),
        with_rest("b:1", rest=700, metered=[True, True]),
    ]
    data = TrainingData.of(series, window_length=WINDOW, margin=MARGIN, device=CPU)
    draw, batch = batch_of(
        data, strangers=1.0, replace=0.0, remove=0.0, active_share=0.0, batch_size=200, shares={"b": 1e-9}
    )
    assert draw.strange.all()
    rest = data.rest[torch.from_numpy(draw.strange_begin)[:, None] + torch.arange(WINDOW)]
    expected = 100 + rest * torch.from_numpy(draw.strange_scale)[:, None]
    present = ~batch.mains.isnan()
    assert (expected[present] > 130).any()
    torch.testing.assert_close(batch.mains[present], expected[present], rtol=1e-4, atol=1e-2)
    assert batch.power.nan_to_num(0).sum() == 0


def test_no_stranger_comes_from_a_home_that_may_hide_a_target():
    series = [
        with_rest("whole:1", rest=100, metered=[True, True]),
        with_rest("half:1", rest=700, metered=[True, False]),
    ]
    data = TrainingData.of(series, window_length=WINDOW, margin=MARGIN, device=CPU)
    draw = Sampler(
        data, replace(CONFIG, strangers=1.0, batch_size=500, active_share=0.0),
        window_length=WINDOW, margin=MARGIN,
    ).draw(0)  # fmt: skip
    into_whole = draw.begin < data.begin[1]
    from_half = draw.strange_begin >= data.begin[1]
    assert not draw.strange[into_whole & from_half].any()
    assert draw.strange[~(into_whole & from_half)].all()
    assert (into_whole & from_half).any() and (into_whole & ~from_half).any()
