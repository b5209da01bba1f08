"""The ablation of Table 3: models 1 to 5 and the deterministic baseline, trained alike."""
