"""Training masks on the canonical views, in the files of the published data step."""
