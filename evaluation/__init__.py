"""Measuring inpainting methods: the protocol, the metrics, the report; see docs/evaluation.md."""
