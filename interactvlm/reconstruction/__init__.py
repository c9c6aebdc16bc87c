"""Person and object of one photo in one metric frame: inputs from stages or files, fit, scene."""
