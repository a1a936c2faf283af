import pytest

from jaxgan.training import progress as progress_module
from jaxgan.training.progress import Progress, format_progress, make_line_reporter

METRICS = {
    "d_loss": 1.25,
    "g_loss": 0.5,
    "d_real_probability": 0.625,
    "d_fake_probability": 0.25,
    "d_real_logits": 3.0,
    "d_fake_logits": -2.0,
}


def make_progress(step, steps=1_000, speed=10.0, metrics=METRICS, scores=()):
    return Progress(step, steps, 100, speed, metrics, dict(scores))


@pytest.fixture
def clock(monkeypatch):
    """The time that the reporter reads, in seconds, as a list of one number."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def test_make_line_reporter_prints_one_line(clock, capsys):
    make_line_reporter()(make_progress(20))
    line = (
        "epoch 1/10  step 20/1000  10.0 steps/s  0:01:38 left  "
        "loss D 1.250 G 0.500 D(x) 0.62 D(G(z)) 0.25\n"
    )
    assert capsys.readouterr().out == line


def test_make_line_reporter_reports_every_ten_seconds_every_epoch_and_the_end(clock):
    lines = []
    report = make_line_reporter(lines.append)

    def reports(step, seconds):
        clock[0] = seconds
        lines.clear()
        report(make_progress(step, steps=250))
        return len(lines)

    assert reports(20, 0.0) == 1  # the first block
    assert reports(40, 9.9) == 0
    assert reports(60, 10.0) == 1
    assert reports(80, 19.9) == 0
    assert reports(100, 19.95) == 1  # an epoch ends
    assert reports(120, 29.9) == 0
    assert reports(250, 29.92) == 1  # the run ends


@pytest.mark.parametrize(
    ("step", "epoch"), [(1, "1/10"), (100, "1/10"), (101, "2/10"), (1_000, "10/10")]
)
def test_format_progress_gives_the_epoch_of_the_last_train_step(step, epoch):
    assert format_progress(make_progress(step))["epoch"] == epoch


def test_format_progress_rounds_the_number_of_epochs_up():
    assert format_progress(make_progress(100, steps=101))["epoch"] == "1/2"


def test_format_progress_gives_the_speed_and_the_time_left():
    parts = format_progress(make_progress(100, steps=10_000_100, speed=40.0))
    assert parts["speed"] == "40.0 steps/s"
    assert parts["left"] == "2 days, 21:26:40 left"


def test_format_progress_shows_logits_of_a_loss_without_probabilities():
    metrics = {name: value for name, value in METRICS.items() if "probability" not in name}
    parts = format_progress(make_progress(100, metrics=metrics))
    assert parts["metrics"] == "D 1.250 G 0.500 logits real 3.00 fake -2.00"


def test_format_progress_shows_the_first_score_only():
    parts = format_progress(make_progress(100, scores={"z_score": 12.345, "a_score": 1.0}))
    assert parts["metrics"].endswith("D(G(z)) 0.25 z_score 12.35")
