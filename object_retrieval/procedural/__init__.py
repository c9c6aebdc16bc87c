"""Objects made from a seed: solids, recipes for every category, and how to ask for one."""
