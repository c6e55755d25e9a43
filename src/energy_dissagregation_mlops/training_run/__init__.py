"""From the store to a bundle in the registry: ``prepared`` opens what a run is on, ``running`` trains, ``bundling`` writes."""
