"""Chapter 1, tensors: networks, their initial weights, and the exchange of weights between frameworks.

* ``layers`` describes a layer and ``architectures`` says which layers a network has; neither needs a framework.
* ``layers_*`` and ``networks_*`` build them: PyTorch and TensorFlow as mirror images, NumPy as their judge.
* ``initial`` draws the first weights; ``exchange`` turns axes from one framework's layout to the other's.
* ``configurations`` names the networks of the five articles and the book's own recommended pair.

Importing this package imports no framework.

Explained in the book's chapter "Tensors".
"""
