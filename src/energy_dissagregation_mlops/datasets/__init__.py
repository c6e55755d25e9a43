"""Raw data, each kind behind one contract (``vocabulary.Dataset``)."""
