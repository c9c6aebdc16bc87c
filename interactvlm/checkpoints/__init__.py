"""Published checkpoints: their files, their key tables, their settings, and their conversion."""
