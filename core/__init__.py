"""The method in plain PyTorch: no ComfyUI, no nodes, no training."""
