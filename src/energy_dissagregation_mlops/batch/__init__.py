"""Scoring many homes on Dask: rows or files of homes in, tables by date and bucket out.

A home goes through the very path of ``prediction``. Homes fall into buckets by a hash of their names, a
bucket is a task, and its record, written last, says that it is done: a run goes on where it was stopped.
"""
