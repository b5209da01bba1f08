"""Every benchmark runs and writes what it prints."""

import json

import pytest
import torch

QUICK = {
    "generator": ["--preset", "demo64", "--batches", "1", "--precisions", "float32"],
    "encoder": ["--preset", "demo64", "--batches", "1", "--precisions", "float32", "bfloat16"],
    "inpaint": ["--variants", "1", "--precisions", "float32"],
    "training_step": ["--resolutions", "64", "--stages", "prior", "--batch", "4", "--warm-up", "0"],
}


@pytest.mark.parametrize("name", QUICK)
def test_one_table_is_printed_and_written(script, tmp_path, capsys, name):
    file = tmp_path / "table.json"
    common = ["--rounds", "1", "--device", "cpu", "--clock", "process", "--json", str(file)]
    script(name).main([*QUICK[name], *common])
    written, printed = json.loads(file.read_text()), capsys.readouterr().out
    assert written["facts"]["torch"] == torch.__version__
    assert written["facts"]["clock"] == "process"
    for row in written["rows"]:
        assert row["lowest_ms"] <= row["median_ms"] <= row["highest_ms"]
        assert row["floor_share"] > 0 and row["gflop"] > 0 and row["peak_mib"] > 0
        assert f"{row['median_ms']:.1f}" in printed
    if name != "training_step":
        first, second = written["rows"][:2]
        assert (first["what"], second["what"]) == ("reference", "prepared")
        assert first["ratio"] == 1 and first["error"] == 0 and second["error"] < 1e-4
        assert second["ratio"] == pytest.approx(first["lowest_ms"] / second["lowest_ms"])


def test_the_processor_cannot_time_a_gpu(script):
    with pytest.raises(SystemExit, match="--clock process"):
        script("measuring").Clock(torch.device("cuda"), "process")
