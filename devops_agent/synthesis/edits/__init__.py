"""Families of edits: each module proposes changes of one kind at one site."""
