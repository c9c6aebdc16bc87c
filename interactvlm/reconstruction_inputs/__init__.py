"""What a reconstruction needs beside contact: the photo's camera, masks and, perhaps, its depth.

Each comes from a file or a flag of the user, from the photo itself or from a model, and each says
where it came from. Cameras, boxes and points are in pixels of the upright original photo; masks
and depth have the size of `Photo.image`, which is smaller for huge photos only. Import the modules;
this file imports nothing.
"""
