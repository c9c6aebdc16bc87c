"""What a photo shows, by open models of other people: boxes, masks, keypoints and depth.

Each step is one small class around a transformers model that the user fetches once
(`interactvlm models fetch`) or keeps in a folder. Nothing here is needed by the shipped model.
"""
