"""The plain PyTorch backend: runs on every device, defines what the others must equal."""
