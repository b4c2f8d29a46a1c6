"""The figures and the report of a finished run again."""

from matplotlib.image import imread

from experiments import figures, show


def test_show_makes_figures_and_report_again(finished, monkeypatch, capsys):
    monkeypatch.setattr(figures, "DOTS_PER_INCH", 40)
    old = finished / "figures" / "fig2.png"
    old.parent.mkdir()
    old.write_bytes(b"old")
    report = show.main([str(finished)])
    assert capsys.readouterr().out == f"{report}\n"
    names = {path.name for path in old.parent.iterdir()}
    assert {"fig2.png", "fig2.pdf", "fig3_best.png", "fig3_worst.png"} <= names
    assert imread(old).size
    assert report.read_text().count("data:image/png;base64,") == 4
