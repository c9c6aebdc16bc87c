"""OpenShape: published point encoders that share the space of CLIP's pictures and words.

Source: Liu et al., OpenShape: Scaling Up 3D Shape Representation Towards Open-World Understanding
(NeurIPS 2023); weights `OpenShape/openshape-pointbert-*` on the Hugging Face hub.
"""
