"""Measures any inpainting method: protocol, metrics and report. Guide: docs/evaluation.md."""
