"""The demo: the main job on real data, with the three parties in processes of their own."""
