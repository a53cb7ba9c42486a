"""Folders of people: the job, the streaming runner, and the output folder that can be resumed."""
