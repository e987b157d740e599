"""The defects of article 003, in its own order.

Explained in the book's section "Debug clinic".
"""

from ganbook.appendix.defects import Defect

DEFECTS: tuple[Defect, ...] = (
    Defect("003-01", section="1", kind="claim", title="What goes in is called complex; it is plain noise"),
    Defect("003-02", section="1", kind="omission", title="The announced program never comes"),
    Defect(
        "003-03",
        section="2, introduction",
        kind="claim",
        title="The samples of the latent space are said to be improved",
    ),
    Defect(
        "003-04",
        section="2, introduction",
        kind="claim",
        title="The discriminator is said to be trained so that it is fooled",
    ),
    Defect(
        "003-05",
        section="2, discriminator's loss",
        kind="claim",
        title="Sigmoid cross-entropy and binary cross-entropy are listed as two losses",
    ),
    Defect(
        "003-06",
        section="2, discriminator's loss",
        kind="claim",
        title="The squared error of a probability is listed among the usual losses",
    ),
    Defect(
        "003-07", section="2, discriminator's loss", kind="formula", title="A minus sign in front of the mean of losses"
    ),
    Defect(
        "003-08",
        section="2, generator's loss",
        kind="claim",
        title="The generator is said to want low outputs of the discriminator",
    ),
    Defect(
        "003-09", section="2, generator's loss", kind="formula", title="There is no generator in the generator's loss"
    ),
    Defect(
        "003-10",
        section="2, generator's loss",
        kind="formula",
        title="The minimax of the sum of both losses has no maximum",
    ),
    Defect(
        "003-11",
        section="3, activation function",
        kind="claim",
        title="The ELU is recommended against gradients that vanish",
    ),
    Defect(
        "003-12",
        section="3, activation function",
        kind="formula",
        title="The sign of a does not decide: both cases of max(ax, x) are wrong",
    ),
    Defect("003-13", section="3, activation function", kind="omission", title="Nothing is said of the last layer"),
    Defect(
        "003-14",
        section="3, weight initialization",
        kind="formula",
        title="N(0, 0.02) does not say of what 0.02 is the size",
    ),
    Defect(
        "003-15",
        section="3, weight initialization",
        kind="claim",
        title="One spread of the weights for every width and depth",
    ),
    Defect(
        "003-16", section="3, batch normalization", kind="claim", title="Mean and variance are taken of each sample"
    ),
    Defect(
        "003-17",
        section="3, batch normalization",
        kind="formula",
        title="Division by a standard deviation that may be 0",
    ),
    Defect(
        "003-18", section="3, batch normalization", kind="omission", title="The trained scale and shift are missing"
    ),
    Defect(
        "003-19", section="3, batch normalization", kind="omission", title="Nothing is said of the time after training"
    ),
    Defect(
        "003-20",
        section="3, batch normalization",
        kind="omission",
        title="Dropout without its scale, and without its end",
    ),
    Defect(
        "003-21",
        section="3, batch normalization",
        kind="claim",
        title="Dropout is put where the next batch normalisation sees it",
    ),
    Defect(
        "003-22",
        section="3, mini-batch SGD",
        kind="claim",
        title="Because it is a game, small batches are to take the place of plain descent",
    ),
    Defect(
        "003-23",
        section="3, mini-batch SGD",
        kind="claim",
        title="A smaller learning rate is to guarantee the global optimum",
    ),
    Defect(
        "003-24",
        section="3, mini-batch SGD",
        kind="claim",
        title="The network's structure is to be changed all the time",
    ),
    Defect(
        "003-25",
        section="3, shared parameters",
        kind="claim",
        title="Generator and discriminator are said to share parameters, since they compete",
    ),
    Defect(
        "003-26", section="3, shared parameters", kind="claim", title="One linear layer at the output of both networks"
    ),
)
