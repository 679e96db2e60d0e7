"""Recurrent networks in NumPy, one module a chapter, forward and backward.

Support modules come first (``cell``, ``tree``, ``validate``, ``activations``,
``losses`` …); a chapter's module imports support modules and earlier chapters
only. Nothing here imports PyTorch but ``lib.torch_bridge``.
"""
