"""A node of the hospital's network, and a watched folder: studies come in, results go to the archive.

`queue` keeps everything on disk, `listen` and `watch` feed it, `run` has one study after another segmented in a process
of its own (`work`), and `send` brings the results to the archive. Whatever ends the program, and whenever, nothing is
lost; and since the UIDs of a result come from its slices and the weights, nothing is there twice.
"""
