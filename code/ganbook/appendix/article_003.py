"""The defects of article 003, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("003-01", "1", "claim", "What goes in is called complex; it is plain noise"),
    Defect("003-02", "1", "omission", "The announced program never comes"),
    Defect("003-03", "2, introduction", "claim", "The samples of the latent space are said to be improved"),
    Defect("003-04", "2, introduction", "claim", "The discriminator is said to be trained so that it is fooled"),
    Defect(
        "003-05",
        "2, discriminator's loss",
        "claim",
        "Sigmoid cross-entropy and binary cross-entropy are listed as two losses",
    ),
    Defect(
        "003-06",
        "2, discriminator's loss",
        "claim",
        "The squared error of a probability is listed among the usual losses",
    ),
    Defect("003-07", "2, discriminator's loss", "formula", "A minus sign in front of the mean of losses"),
    Defect("003-08", "2, generator's loss", "claim", "The generator is said to want low outputs of the discriminator"),
    Defect("003-09", "2, generator's loss", "formula", "There is no generator in the generator's loss"),
    Defect("003-10", "2, generator's loss", "formula", "The minimax of the sum of both losses has no maximum"),
    Defect("003-11", "3, activation function", "claim", "The ELU is recommended against gradients that vanish"),
    Defect(
        "003-12",
        "3, activation function",
        "formula",
        "The sign of a does not decide: both cases of max(ax, x) are wrong",
    ),
    Defect("003-13", "3, activation function", "omission", "Nothing is said of the last layer"),
    Defect("003-14", "3, weight initialization", "formula", "N(0, 0.02) does not say of what 0.02 is the size"),
    Defect("003-15", "3, weight initialization", "claim", "One spread of the weights for every width and depth"),
    Defect("003-16", "3, batch normalization", "claim", "Mean and variance are taken of each sample"),
    Defect("003-17", "3, batch normalization", "formula", "Division by a standard deviation that may be 0"),
    Defect("003-18", "3, batch normalization", "omission", "The trained scale and shift are missing"),
    Defect("003-19", "3, batch normalization", "omission", "Nothing is said of the time after training"),
    Defect("003-20", "3, batch normalization", "omission", "Dropout without its scale, and without its end"),
    Defect("003-21", "3, batch normalization", "claim", "Dropout is put where the next batch normalisation sees it"),
    Defect(
        "003-22",
        "3, mini-batch SGD",
        "claim",
        "Because it is a game, small batches are to take the place of plain descent",
    ),
    Defect("003-23", "3, mini-batch SGD", "claim", "A smaller learning rate is to guarantee the global optimum"),
    Defect("003-24", "3, mini-batch SGD", "claim", "The network's structure is to be changed all the time"),
    Defect(
        "003-25",
        "3, shared parameters",
        "claim",
        "Generator and discriminator are said to share parameters, since they compete",
    ),
    Defect("003-26", "3, shared parameters", "claim", "One linear layer at the output of both networks"),
)
