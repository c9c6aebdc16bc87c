"""Data sets of other people, read as their publishers lay them out.

`sources` says what there is, where to get it and under which licence; `registry.open_dataset`
opens one split. Nothing is downloaded, converted or copied. Knows files and labels; knows no model.
"""
