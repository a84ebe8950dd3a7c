"""The published formulation of I2P-MAE in plain PyTorch, written from its description, to be measured beside ours.

The same results from the same weights, computed as the authors' code computes them: loops over clouds in masking and
padding, farthest point sampling anew at every level, all tokens embedded and then masked, [max, point] joined before
its layer, attention with additive masks, 1×1 convolutions with BatchNorm1d, whole 224×224 feature maps that are then
read at single pixels, the teacher in every step, everything in fp32. What is a CUDA extension there (sampling,
neighbours, Chamfer distance) is plain PyTorch here.
"""
