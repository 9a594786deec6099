"""The desk: looking at, writing and sharing every small kind of content, made from one description of each."""
